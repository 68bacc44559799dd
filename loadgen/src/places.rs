//! The prefectures of Hunan, which most scenarios spread over.

/// The 14 prefectures of Hunan in the order of the operator's complaint table.
pub const HUNAN: [&str; 14] = [
    "长沙",
    "株洲",
    "湘潭",
    "衡阳",
    "邵阳",
    "岳阳",
    "常德",
    "张家界",
    "益阳",
    "郴州",
    "永州",
    "怀化",
    "娄底",
    "湘西",
];

/// The word that stands for all of [`HUNAN`] in a scenario's list of cities.
pub(crate) const HUNAN_KEYWORD: &str = "hunan";

/// Spells out a scenario's list of cities: `hunan` becomes its 14 prefectures.
pub(crate) fn expand(cities: &[String]) -> Vec<String> {
    let mut places = Vec::new();
    for city in cities {
        if city == HUNAN_KEYWORD {
            places.extend(HUNAN.iter().map(|city| (*city).to_owned()));
        } else {
            places.push(city.clone());
        }
    }
    places
}

/// A made-up subscriber number of a city: the same for the same `index`, so
/// that receipts and complaints of one subscriber can be laid side by side.
pub(crate) fn subscriber(city_index: usize, index: u64) -> u64 {
    13_900_000_000 + (city_index as u64 % 1_000) * 100_000 + index % 100_000
}
