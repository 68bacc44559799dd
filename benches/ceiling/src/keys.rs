//! Numbers for service × city × channel: open addressing, one compare of borrowed text in the usual
//! case, no allocation for a known key.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Slots at the beginning; a power of two.
const SLOTS: usize = 1 << 13;
const EMPTY: u32 = u32::MAX;

struct Key {
    /// `service`, `city` and `channel` one after the other.
    text: Box<str>,
    lengths: (usize, usize),
    hash: u64,
    label: String,
}

/// The table.
pub(crate) struct Keys {
    slots: Vec<u32>,
    keys: Vec<Key>,
}

impl Keys {
    pub(crate) fn new() -> Keys {
        Keys {
            slots: vec![EMPTY; SLOTS],
            keys: Vec::new(),
        }
    }

    /// The number of a key; makes it when it is new.
    pub(crate) fn number(&mut self, service: &str, city: &str, channel: &str) -> u32 {
        let mut hasher = FxHasher::default();
        hasher.write(service.as_bytes());
        hasher.write(city.as_bytes());
        hasher.write(channel.as_bytes());
        let hash = hasher.finish();
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let number = self.slots[at];
            if number == EMPTY {
                break;
            }
            let key = &self.keys[number as usize];
            if key.hash == hash && key.is(service, city, channel) {
                return number;
            }
            at = (at + 1) & mask;
        }
        let number = self.keys.len() as u32;
        self.slots[at] = number;
        self.keys.push(Key {
            text: [service, city, channel].concat().into(),
            lengths: (service.len(), city.len()),
            hash,
            label: format!("service={service};city={city};channel={channel}"),
        });
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    /// What the engine's output calls a key.
    pub(crate) fn label(&self, number: usize) -> &str {
        &self.keys[number].label
    }

    fn grow(&mut self) {
        let slots = self.slots.len() * 2;
        self.slots = vec![EMPTY; slots];
        for (number, key) in self.keys.iter().enumerate() {
            let mut at = key.hash as usize & (slots - 1);
            while self.slots[at] != EMPTY {
                at = (at + 1) & (slots - 1);
            }
            self.slots[at] = number as u32;
        }
    }
}

impl Key {
    fn is(&self, service: &str, city: &str, channel: &str) -> bool {
        let (first, second) = self.lengths;
        first == service.len()
            && second == city.len()
            && self
                .text
                .as_bytes()
                .strip_prefix(service.as_bytes())
                .is_some_and(|rest| {
                    rest.strip_prefix(city.as_bytes())
                        .is_some_and(|rest| rest == channel.as_bytes())
                })
    }
}
