//! Triggers' policy and the knowledge base: whom they name exists, and days are days.

use super::*;

/// Line on which an added section begins.
fn first() -> usize {
    SOUND.lines().count() + 1
}

#[test]
fn a_sound_policy_and_a_sound_entry_are_read() {
    let text = plus(
        "triggers:\n  coordinator: {department: BSC, role: duty}\n  reviewer: {department: BSC, role: duty}\n  review: [{severity: major}]\n  routes: [{cause: held, to: {department: BSC, role: duty}}]\n  copies: [{severity: minor, to: {department: BSC, role: duty}}]\n  due: {major: {accept: 1h, mend: 9h}}\n  escalation: [{after: 1h, role: duty}]\n  province_wide: {cities: 3, share: 0.5}\n  key_services: {sms_hall: 5}\n  calendar: {from: '09:00', to: '18:00', holidays: ['2026-10-01']}\n  absences: [{email: bsc@example.com, from: '2026-10-01', to: '2026-10-07'}]\nknowledge:\n  - {id: held, title: t, kqis: [busy], causes: [c], verify: [v], remedies: [{id: r, text: t}], reference: r}\n",
    );
    check(&text, &[]);
}

#[test]
fn desks_causes_and_contacts_that_are_not_there_are_named_with_a_hint() {
    for (line, problem) in [
        (
            "  coordinator: {department: BSK, role: duty}",
            "29: unknown department \"BSK\", did you mean \"BSC\"?",
        ),
        (
            "  reviewer: {department: BSC, role: dutty}",
            "37: unknown role \"dutty\", did you mean \"duty\"?",
        ),
        (
            "  routes: [{cause: bussy, to: {department: BSC, role: duty}}]",
            "20: unknown cause \"bussy\", did you mean \"busy\"?",
        ),
        (
            "  routes: [{to: {department: BSC, role: duty}}]",
            "12: a route that fits everything, name a cause, a service or a layer; what is left is the coordinator's",
        ),
        (
            "  copies: [{department: BSK, severity: minor, to: {department: BSC, role: duty}}]",
            "25: unknown department \"BSK\", did you mean \"BSC\"?",
        ),
        (
            "  escalation: [{after: 1h, role: dut}]",
            "34: unknown role \"dut\", did you mean \"duty\"?",
        ),
        (
            "  key_services: {sms_hal: 5}",
            "18: unknown service \"sms_hal\", did you mean \"sms_hall\"?",
        ),
        (
            "  key_services: {sms_hall: 6}",
            "28: a factor is 1 to 5, not 6",
        ),
        (
            "  absences: [{email: bcs@example.com, from: '2026-10-01', to: '2026-10-07'}]",
            "22: unknown contact \"bcs@example.com\", did you mean \"bsc@example.com\"?",
        ),
        (
            "  review: [{severity: major}]",
            "11: a review needs a reviewer, and none is named, add for example reviewer: {department: DATA, role: lead}",
        ),
    ] {
        let at = first() + 1;
        check(
            &plus(&format!("triggers:\n{line}\n")),
            &[&format!("t.yaml:{at}:{problem}")],
        );
    }
}

#[test]
fn days_hours_and_shares_that_cannot_be_are_refused() {
    for (line, problem) in [
        (
            "  calendar: {from: '18:00', to: '09:00'}",
            "33: the closing is not later than the opening",
        ),
        (
            "  calendar: {from: '09:00', to: '18:00', holidays: ['2026-13-01']}",
            "53: \"2026-13-01\" is not a day, write for example \"2026-10-01\"",
        ),
        (
            "  calendar: {from: '09:00', to: '18:00', holidays: ['2026-10-01'], workdays: ['2026-10-01']}",
            "78: 2026-10-01 is a holiday and a workday",
        ),
        (
            "  absences: [{email: bsc@example.com, from: '2026-10-07', to: '2026-10-01'}]",
            "63: an absence ends before it begins, at 2026-10-07",
        ),
        (
            "  province_wide: {cities: 1, share: 0.5}",
            "27: one city is no province: write 2 or more",
        ),
        (
            "  province_wide: {cities: 3, share: 50}",
            "37: a share is 0 to 1, not 50",
        ),
        (
            "  crossing: {lag: 8d}",
            "19: \"lag\" of 8d joins what is not of one time: at most 1w",
        ),
        (
            "  due: {major: {accept: 0s, mend: 9h}}",
            "25: a due time of nothing cannot be met",
        ),
    ] {
        let at = first() + 1;
        check(
            &plus(&format!("triggers:\n{line}\n")),
            &[&format!("t.yaml:{at}:{problem}")],
        );
    }
}

/// An entry that is known by complaints alone is reached by an alert that counts those of its service.
#[test]
fn an_entry_that_nothing_leads_to_is_named() {
    let at = first() + 1;
    let entry = "knowledge:\n  - {id: a, service: sms_hall, leaves: [l], title: t, causes: [c], verify: [v], remedies: [{id: r, text: t}], reference: r}\n";
    let problem = format!(
        "t.yaml:{at}:5: warning: no alert leads to cause \"a\": nobody is ever shown it, name a KQI that is watched, or watch a KQI that counts the complaints of sms_hall by service"
    );
    check(&plus(entry), &[&problem]);
    let kqi = |group: &str| {
        format!(
            "{entry}kqis:\n  - {{id: surge, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [{group}], window: 1h, interval: {{max: 9}}, unit: count, department: BSC, provenance: [{{of: interval, kind: judgement, reference: r}}]}}\n"
        )
    };
    check(&plus(&kqi("city")), &[&problem]);
    check(&plus(&kqi("service, city")), &[]);
}

/// The step that is within whichever department is asked needs somebody in each.
#[test]
fn a_department_without_a_role_to_climb_to_is_named() {
    let more = "  - id: NET\n    name: net\n    roles: [{id: contact, name: c, contacts: [{name: n, email: n@example.com}]}]\nalert_policies:";
    let text = with("alert_policies:", more);
    let at = text.lines().count() + 2;
    let text = format!("{text}triggers:\n  escalation: [{{after: 1h, role: duty}}]\n");
    let problem = format!(
        "t.yaml:{at}:34: warning: NET without a \"duty\": what is overdue there climbs to the reviewer, or to another department, give each department a role \"duty\""
    );
    check(&text, &[&problem]);
}

#[test]
fn an_entry_is_shown_by_something_and_a_kqi_shows_one_cause() {
    let entry = |id: &str, signs: &str| {
        format!(
            "  - {{id: {id}, {signs}, title: t, causes: [c], verify: [v], remedies: [{{id: r, text: t}}], reference: r}}\n"
        )
    };
    let at = first() + 1;
    let book = plus(&format!("knowledge:\n{}", entry("a", "kqis: [bussy]")));
    let problem = format!("t.yaml:{at}:20: unknown kqi \"bussy\", did you mean \"busy\"?");
    check(&book, &[&problem]);
    let book = plus(&format!("knowledge:\n{}", entry("a", "complexity: 2")));
    let problem = format!("t.yaml:{at}:5: nothing shows cause \"a\", name kqis, leaves, or both");
    check(&book, &[&problem]);
    let two = entry("a", "kqis: ['b*']") + &entry("b", "kqis: [busy]");
    let problem = format!(
        "t.yaml:{}:20: kqi \"busy\" shows cause \"a\" already, a KQI shows one cause: take it off one of the two",
        at + 1
    );
    check(&plus(&format!("knowledge:\n{two}")), &[&problem]);
}
