//! Places: one province a city, and a second province is another entry.

use super::*;

const HUNAN: &str = "places:\n  - {province: 湖南, group: 集团, cities: [长沙, 永州]}\n";

fn by_province() -> String {
    with(
        "group_by: [service, city]",
        "group_by: [service, province, group]",
    )
}

#[test]
fn a_kqi_can_be_grouped_by_what_follows_from_the_city() {
    check(&(by_province() + HUNAN), &[]);
    check(
        &by_province(),
        &[
            "t.yaml:34:29: warning: the book has no places, so \"province\" is empty everywhere, add a section places",
            "t.yaml:34:39: warning: the book has no places, so \"group\" is empty everywhere, add a section places",
        ],
    );
}

#[test]
fn a_city_is_in_one_province_and_a_province_is_given_once() {
    let twice =
        format!("{SOUND}{HUNAN}  - {{province: 广东, group: 集团, cities: [广州, 长沙]}}\n");
    check(
        &twice,
        &["t.yaml:40:44: city \"长沙\" exists already, at t.yaml:39"],
    );
    let again = format!("{SOUND}{HUNAN}  - {{province: 湖南, group: 集团, cities: [衡阳]}}\n");
    check(
        &again,
        &["t.yaml:40:16: province \"湖南\" exists already, at t.yaml:39"],
    );
}

#[test]
fn streams_without_a_city_have_no_province() {
    let text = with("stream: dial_test", "stream: boss_connection")
        .replace("group_by: [service, city]", "group_by: [host, province]");
    let (book, problems) = parse(&[("t.yaml".to_owned(), text + HUNAN)]);
    assert!(book.is_none());
    let words = list(&problems);
    assert!(
        words.contains("unknown dimension of boss_connection \"province\""),
        "{words}"
    );
}
