//! Complaint trees and second confirmation: what their files may say.

use super::*;

fn tree(rest: &str) -> String {
    plus(&format!(
        "trees:\n  - id: five\n    name: 五级\n    levels: [主题, 产品, 内容]\n{rest}"
    ))
}

#[test]
fn a_tree_is_sound_with_codes_old_and_new() {
    check(
        &tree(
            "    exact: true\n    nodes:\n      - {path: 数据/邮箱, code: O010100}\n      - {path: 数据/邮箱/登录, code: O010104, was: [O000017], service: sms_hall}\n",
        ),
        &[],
    );
}

#[test]
fn paths_fit_their_tree_and_stand_once() {
    let at = SOUND.lines().count();
    check(
        &tree(
            "    exact: true\n    nodes:\n      - {path: 数据/邮箱/登录/慢}\n      - {path: 数据/短信}\n      - {path: 数据/邮箱/登录}\n      - {path: 数据/邮箱/登录}\n      - {path: 数据/彩铃/慢, was: [O000017]}\n      - {path: 数据/彩铃/快, service: sms_hal}\n",
        ),
        &[
            &format!("t.yaml:{}:16: a path of 4 levels, the tree has 3", at + 7),
            &format!(
                "t.yaml:{}:16: a last-level node with 2 levels, the tree is exact and has 3",
                at + 8
            ),
            &format!(
                "t.yaml:{}:16: path \"数据/邮箱/登录\" exists already, at t.yaml:{}",
                at + 10,
                at + 9
            ),
            &format!(
                "t.yaml:{}:30: codes of before need the code of today",
                at + 11
            ),
            &format!(
                "t.yaml:{}:34: unknown service \"sms_hal\", did you mean \"sms_hall\"?",
                at + 12
            ),
        ],
    );
}

#[test]
fn a_code_is_of_one_node_and_a_form_belongs_to_a_tree() {
    let at = SOUND.lines().count();
    let text = tree(
        "    nodes:\n      - {path: 数据/邮箱/登录, code: O010104}\ncodes:\n  - {code: O010104}\n",
    );
    check(
        &text,
        &[&format!(
            "t.yaml:{}:32: node code \"O010104\" exists already, at t.yaml:{}",
            at + 6,
            at + 8
        )],
    );
    let text = tree(
        "    nodes:\n      - {path: 数据/邮箱/登录}\nleaves:\n  - {id: l, path: 数据/邮箱/登陆, service: sms_hall, questions: []}\n",
    );
    check(
        &text,
        &[&format!(
            "t.yaml:{}:19: no tree has the path \"数据/邮箱/登陆\", did you mean \"数据/邮箱/登录\"?",
            at + 8
        )],
    );
}

#[test]
fn a_finding_has_one_class_and_names_what_there_is() {
    let at = SOUND.lines().count();
    let text = plus(
        "leaves:\n  - id: l\n    path: a/b\n    service: sms_hall\n    questions: [{id: q, text: 问, role: element}]\n    confirm:\n      regional: bussy\n      order: w\n      verdicts:\n        - {found: late, class: usage, action: 看}\n        - {found: late, class: network, action: 看}\n        - {found: lost, class: usage, action: 看}\n        - {found: delivered, class: usage, action: 看, department: BSD}\n",
    );
    let findings = "charged_without_order, ordered_without_consent, no_order, nothing_submitted_outside, nothing_submitted, no_final_report, rejected, expired_together, expired_alone, late, delivered";
    let list = [
        format!(
            "t.yaml:{}:17: unknown kqi \"bussy\", did you mean \"busy\"?",
            at + 7
        ),
        format!(
            "t.yaml:{}:14: the form has no question \"w\", did you mean \"q\"?",
            at + 8
        ),
        format!(
            "t.yaml:{}:19: finding \"late\" exists already, at t.yaml:{}",
            at + 11,
            at + 10
        ),
        format!(
            "t.yaml:{}:19: unknown word \"lost\", use one of {findings}",
            at + 12
        ),
        format!(
            "t.yaml:{}:67: unknown department \"BSD\", did you mean \"BSC\"?",
            at + 13
        ),
    ];
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    check(&text, &list);
}
