//! Which annotations concern an object: the same for a verdict that they suppress and for a reader whom they
//! explain it to.

use crate::event::Annotation;
use crate::rules::{Kqi, Places};

/// Whether an annotation is about this time and this object: every dimension of its scope must be that of the
/// object's group, follow from its city, or be its KQI or the KQI's service.
pub fn concerns(
    annotation: &Annotation,
    kqi: &Kqi,
    group: &[(String, String)],
    (start_ms, end_ms): (i64, i64),
    places: &Places,
) -> bool {
    let own = |name: &str| {
        let mut values = group.iter();
        let value = values.find(|(dimension, _)| dimension == name);
        value.map(|(_, value)| value.as_str())
    };
    let known = |name: &str| match name {
        "kqi" => Some(kqi.id.as_str()),
        _ => places
            .find(name, own)
            .or_else(|| kqi.service.as_deref().filter(|_| name == "service")),
    };
    annotation.start_ms < end_ms
        && start_ms < annotation.end_ms
        && annotation
            .scope
            .iter()
            .all(|(name, value)| known(name) == Some(value))
}
