//! Places: which province a city is in, and which group the province is of (domain fact C12).
//!
//! Facts are counted by city. Province and group follow from it when a fact is routed, so that a
//! province is exactly the sum of its cities, at every instant, and a map that is corrected by a new
//! rule book counts for the whole retained history.

use std::collections::BTreeMap;

use crate::event::{CITY, GROUP, PROVINCE};

/// Where a city is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Province.
    pub province: String,
    /// The operator's group that the province's branch is of.
    pub group: String,
}

/// Every city that the book knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// By the city's name on the wire.
    pub cities: BTreeMap<String, Place>,
}

impl Places {
    /// The value of a dimension that follows from the city: `province` or `group`.
    pub fn derive(&self, name: &str, city: &str) -> Option<&str> {
        let place = || self.cities.get(city);
        match name {
            PROVINCE => place().map(|place| place.province.as_str()),
            GROUP => place().map(|place| place.group.as_str()),
            _ => None,
        }
    }

    /// A dimension's value among values that may only have the city.
    pub fn find<'a>(
        &'a self,
        name: &str,
        own: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<&'a str> {
        own(name).or_else(|| self.derive(name, own(CITY)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn province_and_group_follow_from_the_city_and_nothing_else_does() {
        let place = |province: &str| Place {
            province: province.to_owned(),
            group: "集团".to_owned(),
        };
        let cities = [("长沙", "湖南"), ("广州", "广东")];
        let places = Places {
            cities: cities.map(|(city, of)| (city.to_owned(), place(of))).into(),
        };
        assert_eq!(places.derive("province", "长沙"), Some("湖南"));
        assert_eq!(places.derive("group", "广州"), Some("集团"));
        assert_eq!(places.derive("province", "巴黎"), None);
        assert_eq!(places.derive("service", "长沙"), None);
        // What is said goes before what follows.
        let own = |name: &str| match name {
            "city" => Some("长沙"),
            "province" => Some("所说"),
            _ => None,
        };
        assert_eq!(places.find("province", own), Some("所说"));
        assert_eq!(places.find("group", own), Some("集团"));
    }
}
