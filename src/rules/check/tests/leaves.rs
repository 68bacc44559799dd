//! Leaves: what a form must say, and that it says nothing that cannot be meant.

use super::*;

fn leaf(question: &str) -> String {
    plus(&format!(
        "leaves:\n  - id: slow\n    path: 投诉/短信营业厅/慢\n    service: sms_hall\n    questions:\n      - {{{question}}}\n"
    ))
}

#[test]
fn the_three_roles_are_sound_with_their_own_fields() {
    for question in [
        "id: a, text: 问, role: element",
        "id: a, text: 问, role: exclude, bad: \"no\", guidance: 重启",
        "id: a, text: 问, role: suspect, bad: \"yes\", cause: 忙, class: network, department: BSC, kqi: busy",
    ] {
        check(&leaf(question), &[]);
    }
}

#[test]
fn a_role_has_its_own_fields_and_needs_what_decides() {
    let at = SOUND.lines().count() + 6;
    check(
        &leaf("id: a, text: 问, role: element, bad: \"no\""),
        &[&format!(
            "t.yaml:{at}:46: role \"element\" takes no \"bad\""
        )],
    );
    check(
        &leaf("id: a, text: 问, role: exclude, bad: \"no\""),
        &[&format!(
            "t.yaml:{at}:9: role \"exclude\" needs \"guidance\""
        )],
    );
    check(
        &leaf("id: a, text: 问, role: suspect, cause: 忙, class: network, kqi: bussy"),
        &[
            &format!("t.yaml:{at}:9: role \"suspect\" needs \"bad\""),
            &format!("t.yaml:{at}:72: unknown kqi \"bussy\", did you mean \"busy\"?"),
        ],
    );
}

#[test]
fn a_path_has_at_most_seven_levels_and_a_code_its_digits() {
    let sound = leaf("id: a, text: 问, role: element");
    let deep = sound.replace("投诉/短信营业厅/慢", "1/2/3/4/5/6/7/8");
    let at = SOUND.lines().count() + 3;
    check(
        &deep,
        &[&format!(
            "t.yaml:{at}:11: a path of 8 levels, the tree has 7"
        )],
    );
    let hollow = sound.replace("投诉/短信营业厅/慢", "投诉//慢");
    check(
        &hollow,
        &[&format!("t.yaml:{at}:11: a level of the path is empty")],
    );
    let coded = |code: &str| {
        sound.replace(
            "    service: sms_hall\n    questions",
            &format!("    node: {code}\n    service: sms_hall\n    questions"),
        )
    };
    check(&coded("O010104"), &[]);
    check(
        &coded("O0101"),
        &[&format!(
            "t.yaml:{}:11: \"O0101\" is not a node code, write for example O010104",
            at + 1
        )],
    );
}
