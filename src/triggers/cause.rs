//! What makes two alerts one demand: service, cause and place.
//!
//! The cause is the entry of the knowledge base that the KQI is a sign of; a KQI without an entry is its
//! own cause. Layers are not causes: two network KQIs of one city may have nothing to do with each other.

use serde::{Deserialize, Serialize};

use crate::rules::Places;

/// Where a cause is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Everywhere that the service is.
    Whole,
    /// A province.
    Province(String),
    /// Something that serves all cities: a host, an interface, a channel, by its label.
    Site(String),
    /// A city.
    City(String),
}

/// Dimensions that do not say where.
const NO_PLACES: [&str; 2] = ["service", "group"];

impl Place {
    /// The place of a group of dimensions.
    pub fn of(group: &[(String, String)]) -> Place {
        let value = |wanted: &str| group.iter().find(|(name, _)| name == wanted);
        if let Some((_, city)) = value("city") {
            return Place::City(city.clone());
        }
        if let Some((_, province)) = value("province") {
            return Place::Province(province.clone());
        }
        let rest: Vec<String> = group
            .iter()
            .filter(|(name, _)| !NO_PLACES.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if rest.is_empty() {
            Place::Whole
        } else {
            Place::Site(rest.join(";"))
        }
    }

    /// Whether it is a wider place that holds the other one.
    pub fn covers(&self, other: &Place, places: &Places) -> bool {
        match (self, other) {
            (Place::Whole, other) => *other != Place::Whole,
            (Place::Province(province), Place::City(city)) => {
                places.derive("province", city) == Some(province)
            }
            // Every city hangs on what serves all of them, and there is the better place to ask.
            (Place::Site(_), Place::City(_) | Place::Province(_)) => true,
            _ => false,
        }
    }

    /// Whether what happens here is evidence for an open trigger there.
    pub fn joins(&self, open: &Place, places: &Places) -> bool {
        // The service as a whole suffers from what serves all of it, which is the better place to ask.
        let suffers = *self == Place::Whole && matches!(open, Place::Site(_));
        self == open || suffers || open.covers(self, places)
    }

    /// What people of the operator read; empty for everywhere.
    pub fn text(&self) -> String {
        match self {
            // The values say it: `10.154.50.52 ITF_CCOSVC`.
            Place::Site(label) => {
                let values = label
                    .split(';')
                    .map(|part| part.split_once('=').map_or(part, |(_, value)| value));
                values.collect::<Vec<_>>().join(" ")
            }
            other => other.name().to_owned(),
        }
    }

    /// What people call it; empty for everywhere.
    pub fn name(&self) -> &str {
        match self {
            Place::Whole => "",
            Place::Province(name) | Place::Site(name) | Place::City(name) => name,
        }
    }
}

/// The identity of what a trigger is about. One that is open is the only one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// Service; empty where the KQI has none.
    pub service: String,
    /// Entry of the knowledge base, or the KQI.
    pub cause: String,
    /// Where.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Place as Known;

    #[test]
    fn a_wider_place_covers_and_a_site_stands_for_all_its_cities() {
        let hunan = Known {
            province: "湖南".to_owned(),
            group: "集团".to_owned(),
        };
        let places = Places {
            cities: [("长沙".to_owned(), hunan)].into(),
        };
        let place = |text: &str| {
            let (name, value) = text.split_once('=').unwrap();
            Place::of(&[
                ("service".to_owned(), "s".to_owned()),
                (name.to_owned(), value.to_owned()),
            ])
        };
        let (city, province) = (place("city=长沙"), place("province=湖南"));
        let (site, whole) = (place("host=a"), place("group=集团"));
        assert_eq!(whole, Place::Whole);
        assert!(province.covers(&city, &places) && !city.covers(&province, &places));
        assert!(!province.covers(&place("city=广州"), &places));
        assert!(site.covers(&city, &places) && site.covers(&province, &places));
        assert!(!province.covers(&site, &places) && !site.covers(&place("host=b"), &places));
        assert!(whole.joins(&site, &places) && site.joins(&whole, &places));
        assert!(!site.joins(&place("host=b"), &places) && site.joins(&site, &places));
        assert!(city.joins(&province, &places) && !province.joins(&city, &places));
    }
}
