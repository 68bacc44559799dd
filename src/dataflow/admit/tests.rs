use super::*;

#[test]
fn a_flood_of_new_groups_leaves_room_for_those_of_others_also_after_a_restart() {
    let limits = Limits {
        groups_max: 900,
        ..Limits::default()
    };
    let [flood, honest] = ["flood", "honest"].map(|name| Owner::of(Some(name), None));
    let knock = |owner, label: String| {
        let values = vec![("city".to_owned(), label)];
        Knock {
            family: 1,
            group: Arc::new(Group::new(values)),
            owner,
            goes: false,
        }
    };
    let (mut doors, mut folded) = (Doors::new(limits), Vec::new());
    let flooding: Vec<Knock> = (0..2_000)
        .map(|at| knock(flood, format!("f{at:04}")))
        .collect();
    doors.epoch(flooding.clone(), &[], &mut folded);
    assert_eq!(folded.len(), 1_200, "eight ninths are the flood's");
    let is_folded: FxHashSet<Arc<Group>> = folded.drain(..).map(|folded| folded.group).collect();
    let saved = flooding.iter().map(|knock| SavedKey {
        family: 1,
        group: knock.group.clone(),
        pane_ms: 0,
        owner: knock.owner,
        folded: is_folded.contains(&knock.group),
    });
    let mut restored = Doors::new(limits);
    restored.restore(doors_of(&saved.collect::<Vec<_>>()));
    for doors in [&mut doors, &mut restored] {
        let more = (0..80).flat_map(|at| {
            let of = |owner, name: &str| knock(owner, format!("{name}{at:04}"));
            [of(flood, "g"), of(honest, "h")]
        });
        let mut folded = Vec::new();
        doors.epoch(more.collect(), &[], &mut folded);
        let all_of_flood = folded
            .iter()
            .all(|folded| folded.group.label.contains("=g"));
        assert!(folded.len() == 80 && all_of_flood, "{}", folded.len());
        // What goes makes room again, for its owner.
        let goes = Knock {
            goes: true,
            ..flooding[0].clone()
        };
        doors.epoch(vec![goes; 1], &[], &mut folded);
        assert_eq!(doors.families[&1].inside, 879);
        assert_eq!(doors.families[&1].holdings.of(flood), 799);
    }
}
