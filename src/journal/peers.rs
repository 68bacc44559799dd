//! From whom the producers came that are remembered, by token or, where there are none, by address, so that one of them
//! cannot use up the room for new names.
//!
//! * Once more than half of the room is used, one who has as many names as are left brings no new
//!   one: the rule of `shares`. One that has none always finds room, until there is none at all.
//! * Not journaled: after a restart a name belongs to nobody until it is heard again. Who keeps names from
//!   being forgotten must speak under them, and then they are its own again.

use super::producers::Producers;
use super::shares::Holder;
use std::collections::HashMap;

/// Whose names are, and how many each has.
#[derive(Debug, Default)]
pub(super) struct Peers {
    of_name: HashMap<String, Holder>,
    names: HashMap<Holder, usize>,
    forgotten_total: u64,
}

impl Peers {
    /// Whether somebody may bring one more name when so many are known of those that may be.
    pub(super) fn may_bring(&self, holder: &Holder, known: usize, names_max: usize) -> bool {
        let held = self.names.get(holder).copied().unwrap_or(0);
        known < names_max / 2 || held < names_max.saturating_sub(known)
    }

    /// A name was heard from somebody.
    pub(super) fn note(&mut self, name: &str, holder: &Holder) {
        match self.of_name.get_mut(name) {
            Some(before) if before == holder => return,
            Some(before) => {
                let before = std::mem::replace(before, holder.clone());
                self.take_from(&before);
            }
            None => {
                self.of_name.insert(name.to_owned(), holder.clone());
            }
        }
        *self.names.entry(holder.clone()).or_insert(0) += 1;
    }

    /// Drops the names that are remembered no more, where there are such.
    pub(super) fn keep_only(&mut self, producers: &Producers) {
        let forgotten = producers.forgotten_total();
        // A group that failed leaves names here that nobody remembers: they go with the next ones.
        if std::mem::replace(&mut self.forgotten_total, forgotten) == forgotten
            && self.of_name.len() <= producers.len()
        {
            return;
        }
        let gone = self
            .of_name
            .extract_if(|name, _| producers.newest(name).is_none());
        let gone: Vec<Holder> = gone.map(|(_, holder)| holder).collect();
        gone.iter().for_each(|holder| self.take_from(holder));
    }

    fn take_from(&mut self, holder: &Holder) {
        if let Some(names) = self.names.get_mut(holder) {
            *names = names.saturating_sub(1);
            if *names == 0 {
                self.names.remove(holder);
            }
        }
    }
}
