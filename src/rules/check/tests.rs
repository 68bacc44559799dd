//! One door for broken books: `check(text, expected problems)`.

use super::*;

#[track_caller]
fn shipped(path: &str) -> RuleBook {
    let (book, problems) = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    assert!(problems.is_empty(), "{}", list(&problems));
    book.unwrap()
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_shipped_book_has_no_problems_and_all_its_kqis() {
    let book = shipped("rules");
    let count = |service: &str| {
        let of_service = |kqi: &&crate::rules::Kqi| kqi.service.as_deref() == Some(service);
        book.kqis.iter().filter(of_service).count()
    };
    // The newspaper has domain part C's seven and the raw twin.
    assert_eq!(count("mobile_newspaper"), 8);
    assert_eq!(count("experience_card"), 5);
    assert_eq!(count("mobile_mail"), 5);
    assert_eq!(count("sms_hall"), 5);
    assert_eq!(book.kqis.len(), 23);
}

#[test]
fn the_bench_book_has_no_problems() {
    let book = shipped("rules/bench/kqi-1.yaml");
    let ids: Vec<&str> = book.kqis.iter().map(|kqi| kqi.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "kqi1_success_1m",
            "kqi1_latency_mean_1m",
            "kqi1_latency_p95_1m",
            "kqi1_success_5m",
            "kqi1_latency_mean_5m",
            "kqi1_latency_p95_5m"
        ]
    );
}
