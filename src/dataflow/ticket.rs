//! A complaint ticket: the fold of its versions.
//!
//! A ticket counts once, at its filing, at its latest place; excluded or withdrawn, it never counted. Later versions
//! say only what changed. Repeating a version changes nothing (G5).
//!
//! Its place is a path, a node, or both. Who moves it by one of them says nothing of the other, which was of the place
//! before and goes. The service is that of its place: said with it or after it, or else by the tree; what was said of
//! a place before counts only where neither knows (G3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::Counters;
use crate::dataflow::entity::{EntityFact, Room, View};
use crate::dataflow::subscriber::TicketDetail;
use crate::dataflow::update::is_record;
use crate::event::{Borrowed, Complaint, LEVELS, Stream, TicketState};

/// The filing, and what became of it: with fewer there is nothing to fold into.
const VERSIONS_MIN: usize = 2;

/// One ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// In order of version, then time.
    versions: Vec<Version>,
}

/// One version, or several that were folded into the newest of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Version {
    said: Complaint,
    /// Who told it: the least of those who did, for who repeats it says nothing new. `said` does not say it.
    source: Option<Arc<str>>,
    /// It is of several.
    folded: bool,
    /// Of folded ones, where they moved the ticket: the place that they say is all there is of it.
    moved: Option<Box<Moved>>,
}

/// What folded versions say beside the place to which they moved a ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Moved {
    /// The service that was said last before.
    service_before: Option<Arc<str>>,
}

/// Where a ticket is filed, and whose it is.
#[derive(Clone, Debug, Default)]
struct Place {
    path: Option<Arc<str>>,
    node: Option<Arc<str>>,
    /// Service that was said with the place or after it.
    service: Option<Arc<str>>,
    /// Service that was said last before.
    service_before: Option<Arc<str>>,
}

impl Place {
    /// Takes in a version. True if it moved the ticket.
    fn follow(&mut self, version: &Version) -> bool {
        let Version { said, moved, .. } = version;
        let moves = moved.is_some() || self.is_left_by(said);
        if moves {
            let before = moved.as_ref().and_then(|of| of.service_before.clone());
            let known = self.service.take().or(self.service_before.take());
            *self = Place {
                path: said.path.clone(),
                node: said.node.clone(),
                service: None,
                service_before: before.or(known),
            };
        } else {
            // Half of it again, or the other half to what is known.
            self.path = said.path.clone().or(self.path.take());
            self.node = said.node.clone().or(self.node.take());
        }
        self.service = said.service.clone().or(self.service.take());
        moves
    }

    /// Whether a version says another place: one that has a half of this one, and nothing that differs, does not.
    fn is_left_by(&self, said: &Complaint) -> bool {
        let halves = [(&said.path, &self.path), (&said.node, &self.node)];
        let is_said = halves.iter().any(|(new, _)| new.is_some());
        let is_alike = halves.iter().any(|(new, old)| new.is_some() && new == old);
        let differs = halves
            .iter()
            .any(|(new, old)| new.is_some() && old.is_some() && new != old);
        is_said && (differs || !is_alike)
    }

    /// The path: the one that was said, or that of the code's node.
    fn path<'a>(&'a self, view: View<'a>) -> Option<&'a str> {
        let book = &view.plan.book;
        self.path.as_deref().or_else(|| {
            let code = book.codes.of(self.node.as_deref()?)?;
            book.trees.path_of(code)
        })
    }

    /// The service.
    fn service<'a>(&'a self, view: View<'a>) -> Option<&'a str> {
        let by_tree = || view.plan.book.trees.service_of(self.path(view)?);
        let said = self.service.as_deref();
        said.or_else(by_tree).or(self.service_before.as_deref())
    }
}

impl Ticket {
    /// Texts that it has in common with others.
    pub(super) fn common_texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let versions = self.versions.iter_mut();
        versions.flat_map(|version| {
            let moved = version.moved.as_deref_mut();
            let before = moved.and_then(|of| of.service_before.as_mut());
            let source = version.source.as_mut();
            version.said.common_texts().chain(before).chain(source)
        })
    }

    /// A version came. Beyond the bound, which is two at least, the oldest but the first is folded into its successor.
    pub(super) fn changed(&mut self, mut event: Complaint, room: Room<'_>) {
        let source = event.source.take();
        // Without a version number time orders; equal in both, content does, the same everywhere.
        let order = |known: &Version| {
            let known = &known.said;
            (known.version, known.ts_ms, known).cmp(&(event.version, event.ts_ms, &event))
        };
        let at = match self.versions.binary_search_by(order) {
            Err(at) => at,
            Ok(at) => {
                let known = &mut self.versions[at].source;
                *known = known.take().into_iter().chain(source).min();
                return;
            }
        };
        if at == 1 && self.versions.get(at).is_some_and(|next| next.folded) {
            // Told again after it was folded, or so late that what came after it is one by now.
            Counters::add(&room.counters.versions_folded, 1);
            return;
        }
        self.versions.reserve_exact(1);
        let version = Version {
            said: event,
            source,
            folded: false,
            moved: None,
        };
        self.versions.insert(at, version);
        let max = match room.stock.has_room() {
            true => room.limits.ticket_versions_max.max(VERSIONS_MIN),
            false => VERSIONS_MIN,
        };
        if self.versions.len() > max {
            room.refuse(&room.counters.versions_folded);
            self.fold_oldest();
        }
    }

    /// Folds the second version into the third. What they say of the place depends on the first.
    fn fold_oldest(&mut self) {
        let mut place = Place::default();
        let mut oldest = self.versions.iter().take(3);
        oldest.next().map(|first| place.follow(first));
        let mut moves = false;
        for version in oldest {
            moves |= place.follow(version);
        }
        let older = self.versions.remove(1);
        let newer = &mut self.versions[1];
        let said = over(&older.said, &newer.said);
        let source = older.source.or(newer.source.take());
        *newer = match moves {
            false => Version {
                said,
                source,
                folded: true,
                moved: None,
            },
            true => Version {
                source,
                folded: true,
                said: Complaint {
                    path: place.path,
                    node: place.node,
                    service: place.service,
                    ..said
                },
                moved: Some(Box::new(Moved {
                    service_before: place.service_before,
                })),
            },
        };
    }

    /// How many records are kept.
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// When a contact came on record for it, ms; none where none is.
    pub(super) fn on_record_ms(&self) -> Option<i64> {
        let records = self.versions.iter().map(|version| &version.said);
        let records = records.filter(|said| is_record(said));
        records.map(|said| said.ts_ms).min()
    }

    /// The caller's number, of the newest version that has it.
    pub(super) fn subscriber(&self) -> Option<Arc<str>> {
        let mut newest = self.versions.iter().rev();
        newest.find_map(|version| version.said.subscriber.clone())
    }

    /// Latest event time seen.
    pub(super) fn ts_ms_max(&self) -> i64 {
        self.versions
            .iter()
            .map(|version| version.said.ts_ms)
            .max()
            .unwrap_or(i64::MIN)
    }

    /// The ticket as all of its versions leave it, for who may see it.
    pub(super) fn detail(&self, view: View<'_>) -> Option<TicketDetail> {
        let (ticket, place) = self.now()?;
        let path = place.path(view).map(Arc::from);
        let service = place.service(view).map(Arc::from);
        Some(TicketDetail {
            serial: ticket.serial.clone(),
            version: ticket.version,
            ts_ms: ticket.ts_ms,
            filed_ms: self.filed_ms(),
            state: ticket.state,
            path,
            service,
            city: ticket.city.clone(),
            channel: ticket.channel.clone(),
            source: self.source().map(Arc::from),
            number: ticket.subscriber.clone(),
            class: ticket.class.clone(),
            cause: ticket.cause.clone(),
            answers: ticket.answers,
            began_ms: ticket.began_ms,
            ended_ms: ticket.ended_ms,
        })
    }

    /// The ticket by its versions, and where they leave it.
    fn now(&self) -> Option<(Complaint, Place)> {
        let (first, rest) = self.versions.split_first()?;
        let rest = rest.iter();
        let ticket = rest.fold(first.said.clone(), |ticket, version| {
            over(&ticket, &version.said)
        });
        let mut place = Place::default();
        for version in &self.versions {
            place.follow(version);
        }
        Some((ticket, place))
    }

    /// Whose it is: of who told of it first. Who closes it, or lists it in the file of its day, did not bring it.
    fn source(&self) -> Option<&str> {
        let mut oldest = self.versions.iter();
        oldest.find_map(|version| version.source.as_deref())
    }

    /// When it was filed; none of one whose filing has not come, or has been forgotten.
    fn filed_ms(&self) -> Option<i64> {
        let said = self.versions.iter().map(|version| &version.said);
        let filed = said.filter(|said| said.state == TicketState::Filed);
        filed.map(|said| said.ts_ms).min()
    }

    /// Its facts: one, or none.
    pub(super) fn facts(&self, view: View<'_>, facts: &mut Vec<EntityFact>) {
        let Some((ticket, place)) = self.now() else {
            return;
        };
        // A change of a ticket that was not filed counts nothing.
        let Some(filed_ms) = self.filed_ms() else {
            return;
        };
        if !ticket.state.counts() || (place.path.is_none() && place.node.is_none()) {
            return;
        }
        let book = &view.plan.book;
        let path = place.path(view);
        let leaf = path.and_then(|path| path.rsplit('/').next());
        let service = place.service(view);
        facts.push(
            view.fact(Stream::Complaint, filed_ms, None, |name| match name {
                "service" => service.into(),
                "city" => ticket.city.as_deref().into(),
                "channel" => ticket.channel.as_deref().into(),
                "path" => path.into(),
                "leaf" => leaf.into(),
                "node" => place.node.as_deref().into(),
                "cause" => ticket.cause.as_deref().into(),
                "escalated" => ticket.escalated.into(),
                "state" => Borrowed::Text(ticket.state.name()),
                "class" => ticket.class.as_deref().into(),
                "source" => self.source().into(),
                "tree" => {
                    let tree = path.and_then(|path| book.trees.tree_of(path));
                    tree.map(|tree| tree.id.as_str()).into()
                }
                level => {
                    let at = LEVELS.iter().position(|name| *name == level);
                    path.zip(at)
                        .and_then(|(path, at)| path.split('/').nth(at))
                        .into()
                }
            }),
        );
    }
}

/// What `newer` says, and `older` where it says nothing; of the place, where `newer` does not leave it.
fn over(older: &Complaint, newer: &Complaint) -> Complaint {
    let text = |newer: &Option<Arc<str>>, older: &Option<Arc<str>>| newer.clone().or(older.clone());
    Complaint {
        ts_ms: newer.ts_ms,
        version: newer.version,
        serial: newer.serial.clone(),
        state: newer.state,
        path: text(&newer.path, &older.path),
        node: text(&newer.node, &older.node),
        service: text(&newer.service, &older.service),
        city: text(&newer.city, &older.city),
        subscriber: text(&newer.subscriber, &older.subscriber),
        channel: text(&newer.channel, &older.channel),
        escalated: newer.escalated.or(older.escalated),
        cause: text(&newer.cause, &older.cause),
        class: text(&newer.class, &older.class),
        began_ms: newer.began_ms.or(older.began_ms),
        ended_ms: newer.ended_ms.or(older.ended_ms),
        // Kept beside what is said.
        source: None,
        answers: if newer.answers.is_empty() {
            older.answers.clone()
        } else {
            newer.answers.clone()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::Limits;

    /// Path, node and service of a version.
    type Said = [Option<&'static str>; 3];

    fn version(number: usize, [path, node, service]: Said) -> Complaint {
        let state = if number == 0 { "Filed" } else { "Reclassified" };
        let value = serde_json::json!({
            "ts_ms": number, "version": number, "serial": "t", "state": state,
            "path": path, "node": node, "service": service, "answers": [],
        });
        serde_json::from_value(value).unwrap()
    }

    fn place(versions: &[Complaint], ticket_versions_max: usize) -> [Option<Arc<str>>; 4] {
        let limits = Limits {
            ticket_versions_max,
            ..Limits::default()
        };
        let counters = Counters::default();
        let mut ticket = Ticket::default();
        for version in versions {
            let room = Room {
                stock: crate::dataflow::records::Stock::Free,
                limits: &limits,
                counters: &counters,
            };
            ticket.changed(version.clone(), room);
        }
        let (_, place) = ticket.now().unwrap();
        [place.path, place.node, place.service, place.service_before]
    }

    #[test]
    fn the_newest_place_is_whole_and_what_was_said_of_the_one_before_goes() {
        let (p, q, n, m) = (Some("p"), Some("q"), Some("N"), Some("M"));
        let (s, t) = (Some("s"), Some("t"));
        let cases: [(&[Said], [Option<&str>; 4]); 9] = [
            // By code away from a path, and by path away from a code.
            (&[[p, n, s], [None, m, None]], [None, m, None, s]),
            (&[[p, None, s], [None, m, None]], [None, m, None, s]),
            (&[[None, n, s], [q, None, None]], [q, None, None, s]),
            (&[[p, n, s], [q, None, t]], [q, None, t, s]),
            // Said again, by half, or with the other half: it stays.
            (&[[p, n, s], [p, None, None]], [p, n, s, None]),
            (&[[p, n, s], [None, n, None]], [p, n, s, None]),
            (&[[p, None, s], [p, n, None]], [p, n, s, None]),
            // Said after the place.
            (
                &[[p, None, s], [q, None, None], [None, None, t]],
                [q, None, t, s],
            ),
            // Back again: what was said of the place then does not come back.
            (
                &[[p, None, s], [q, None, t], [p, None, None]],
                [p, None, None, t],
            ),
        ];
        for (said, want) in cases {
            let versions: Vec<Complaint> =
                (0..).zip(said).map(|(at, of)| version(at, *of)).collect();
            let found = place(&versions, 32);
            let found = found.each_ref().map(|text| text.as_deref());
            assert_eq!(found, want, "{said:?}");
        }
    }

    #[test]
    fn a_ticket_is_of_who_told_of_it_first_and_who_repeats_it_says_nothing_new() {
        let counters = Counters::default();
        for (max, versions) in [(32, 4), (2, 2)] {
            let limits = Limits {
                ticket_versions_max: max,
                ..Limits::default()
            };
            let mut ticket = Ticket::default();
            let told = [(3, None), (2, Some("z")), (1, Some("y")), (0, None)];
            let again = [(0, None), (2, Some("a"))];
            for (number, source) in told.into_iter().chain(again) {
                let room = Room {
                    stock: crate::dataflow::records::Stock::Free,
                    limits: &limits,
                    counters: &counters,
                };
                let event = Complaint {
                    source: source.map(Arc::from),
                    ..version(number, [Some("p"), None, None])
                };
                ticket.changed(event, room);
            }
            assert_eq!(ticket.len(), versions, "of {max}");
            assert_eq!(ticket.source(), Some("y"), "of {max}");
        }
        let mut ticket = Ticket::default();
        for source in ["b", "a", "c"] {
            let limits = Limits::default();
            let room = Room {
                stock: crate::dataflow::records::Stock::Free,
                limits: &limits,
                counters: &counters,
            };
            let event = Complaint {
                source: Some(source.into()),
                ..version(0, [Some("p"), None, None])
            };
            ticket.changed(event, room);
        }
        assert_eq!((ticket.len(), ticket.source()), (1, Some("a")));
    }

    #[test]
    fn folded_versions_leave_a_ticket_where_all_of_them_do() {
        let words: Vec<Said> = [None, Some("p"), Some("q")]
            .into_iter()
            .flat_map(|path| [None, Some("N"), Some("M")].map(|node| (path, node)))
            .flat_map(|(path, node)| [None, Some("s")].map(|service| [path, node, service]))
            .collect();
        let many = words.len();
        // Every story of five versions that a stride which shares no factor with their number meets.
        let stories = (0..many.pow(5)).step_by(many * 7 + 1);
        for story in stories {
            let at = |place: usize| words[story / many.pow(place as u32) % many];
            let mut said: Vec<Complaint> =
                (0..5).map(|number| version(number, at(number))).collect();
            said[3].service = said[3].service.as_ref().map(|_| "t".into());
            let whole = place(&said, 32);
            for max in 2..5 {
                assert_eq!(place(&said, max), whole, "{max} of {said:#?}");
            }
            // A version that is told again changes nothing.
            said.extend_from_within(1..4);
            assert_eq!(place(&said, 3), whole, "again: {said:#?}");
        }
    }
}
