//! What weighs how much in the scores of services.

use std::collections::BTreeMap;

use crate::rules::Layer;

/// Weights of layers within a service, and of KQIs within a layer. What is empty takes no part: the weights
/// of the rest are made to sum to one again.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthWeights {
    /// By [`Layer`] in the order of its variants.
    pub layers: [f64; 3],
    /// By KQI; 1 without an entry.
    pub kqis: BTreeMap<String, f64>,
}

impl Default for HealthWeights {
    /// All alike.
    fn default() -> Self {
        HealthWeights {
            layers: [1.0; 3],
            kqis: BTreeMap::new(),
        }
    }
}

impl HealthWeights {
    /// Weight of a layer.
    pub fn of(&self, layer: Layer) -> f64 {
        self.layers[layer as usize]
    }
}
