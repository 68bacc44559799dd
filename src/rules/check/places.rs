//! Places: every city in one province, every province of one group.

use std::collections::BTreeMap;

use super::{Ids, text_of};
use crate::rules::places::{Place, Places};
use crate::rules::problem::Problems;
use crate::rules::syntax::Node;

pub(super) fn read(nodes: &[&Node], problems: &mut Problems) -> Places {
    let mut provinces = Ids::new("province");
    let mut cities = Ids::new("city");
    let mut places = BTreeMap::new();
    for node in nodes {
        let province = node.get("province");
        let is_new = province.is_some_and(|province| provinces.claim(province, problems));
        let place = Place {
            province: text_of(node, "province"),
            group: text_of(node, "group"),
        };
        for city in node.get("cities").map(Node::items).unwrap_or_default() {
            if cities.claim(city, problems) && is_new {
                let name = city.text().unwrap_or_default().trim().to_owned();
                places.insert(name, place.clone());
            }
        }
    }
    Places { cities: places }
}
