//! One way of writing operators: work by complete epochs, in order.
//!
//! An operator built here sees an epoch exactly once, after both its inputs have passed it, with all
//! of the epoch's data and controls in hand. That is what makes results independent of thread timing.

use std::collections::BTreeMap;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use crate::dataflow::control::Control;

/// Logical time: the epoch number.
pub type Epoch = u64;

/// A stream of `T`s in vectors.
pub(super) type Flow<'scope, T> = StreamVec<'scope, Epoch, T>;

struct Waiting<A> {
    capability: Capability<Epoch>,
    data: Vec<A>,
    controls: Vec<Control>,
}

/// Builds an operator that is called once per epoch, in order.
///
/// Every epoch carries at least one control (its tick), so the logic runs for empty epochs too.
pub(super) fn by_epoch<'scope, A, B, P>(
    data: Flow<'scope, A>,
    pact: P,
    controls: Flow<'scope, Control>,
    name: &str,
    mut logic: impl FnMut(Epoch, Vec<A>, Vec<Control>, &mut Vec<B>) + 'static,
) -> Flow<'scope, B>
where
    A: 'static,
    B: Clone + 'static,
    P: ParallelizationContract<Epoch, Vec<A>>,
{
    let mut waiting: BTreeMap<Epoch, Waiting<A>> = BTreeMap::new();
    data.binary_frontier::<_, CapacityContainerBuilder<Vec<B>>, _, _, _, _>(
        controls,
        pact,
        Pipeline,
        name,
        move |_capability, _info| {
            let mut results: Vec<B> = Vec::new();
            let mut items_before = 0;
            move |(data, data_frontier), (controls, control_frontier), output| {
                data.for_each_stamp(|capability, batches| {
                    let Some(capability) = capability.retain_least(0) else {
                        return;
                    };
                    let epoch = wait_for(&mut waiting, capability);
                    if epoch.data.is_empty() {
                        // Epochs that wait are much alike; to grow is to copy.
                        epoch.data.reserve(items_before);
                    }
                    batches.for_each(|batch| epoch.data.append(batch));
                });
                controls.for_each_stamp(|capability, batches| {
                    let Some(capability) = capability.retain_least(0) else {
                        return;
                    };
                    let epoch = wait_for(&mut waiting, capability);
                    batches.for_each(|batch| epoch.controls.append(batch));
                });
                while let Some(first) = waiting.first_entry() {
                    let epoch = *first.key();
                    if data_frontier.less_equal(&epoch) || control_frontier.less_equal(&epoch) {
                        break;
                    }
                    let Waiting {
                        capability,
                        data,
                        controls,
                    } = first.remove();
                    items_before = data.len();
                    logic(epoch, data, controls, &mut results);
                    if !results.is_empty() {
                        output.session(&capability).give_iterator(results.drain(..));
                    }
                }
            }
        },
    )
}

fn wait_for<A>(
    waiting: &mut BTreeMap<Epoch, Waiting<A>>,
    capability: Capability<Epoch>,
) -> &mut Waiting<A> {
    waiting
        .entry(*capability.time())
        .or_insert_with(|| Waiting {
            capability,
            data: Vec::new(),
            controls: Vec::new(),
        })
}
