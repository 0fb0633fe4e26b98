//! What administrators see.

use super::lab::{GROUP, Lab, consumer, subscription};

#[test]
fn a_group_in_each_state() {
    let mut lab = Lab::new();
    assert_eq!(lab.engine.describe(GROUP), None);
    let (request, id) = lab.enter(consumer());
    let group = lab.engine.describe(GROUP).expect("exists");
    assert_eq!(
        (group.state, &*group.protocol_type, &*group.protocol),
        ("PreparingRebalance", "consumer", "")
    );
    assert_eq!(
        (&group.members[0].member_id, group.members[0].metadata.len()),
        (&id, 0)
    );

    lab.pass_ms(3_000);
    lab.joined(request);
    let group = lab.engine.describe(GROUP).expect("exists");
    assert_eq!((group.state, &*group.protocol), ("CompletingRebalance", ""));

    lab.sync_all(std::slice::from_ref(&id), 1);
    let group = lab.engine.describe(GROUP).expect("exists");
    assert_eq!((group.state, &*group.protocol), ("Stable", "range"));
    let member = &group.members[0];
    assert_eq!((&*member.client_id, &*member.client_host), ("c", "/127.0.0.1"));
    assert_eq!(
        (&member.metadata, &member.assignment[..]),
        (&subscription(&["t"]), &b"0"[..])
    );

    lab.leave(&[(&id, None)]);
    let group = lab.engine.describe(GROUP).expect("exists");
    assert_eq!(
        (group.state, &*group.protocol_type, group.members.len()),
        ("Empty", "consumer", 0)
    );
    let listed: Vec<_> = lab.engine.list().collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&*listed[0].group, &*listed[0].protocol_type, listed[0].state),
        (GROUP, "consumer", "Empty")
    );
}
