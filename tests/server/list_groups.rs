use corelane::wire::messages::ListGroupsRequest;
use corelane::wire::messages::list_groups::ListedGroup;

use crate::fixture::client::Client;
use crate::group_steps::{commit, coordinator, stable, start};
use crate::server::Server;
use crate::steps::{create_topic, new_topic};

/// What all nodes list, of the groups with that stem.
fn list(server: &Server, request: &ListGroupsRequest, version: i16, stem: &str) -> Vec<ListedGroup> {
    let mut groups: Vec<ListedGroup> = Vec::new();
    for address in server.addresses() {
        let answer = Client::connect(address).call(request, version);
        assert_eq!(answer.error_code, 0);
        groups.extend(answer.groups);
    }
    groups.retain(|group| group.group_id.starts_with(stem));
    groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    groups
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let server = start();
    let stem = server.topic("listed");
    create_topic(&server, new_topic(&stem, 1));
    let (simple, used) = (format!("{stem}-a"), format!("{stem}-b"));
    commit(&mut coordinator(&server, &simple), &simple, &stem, 0, 1);
    stable(&mut coordinator(&server, &used), &used);
    for version in 0..=5 {
        let groups = list(&server, &ListGroupsRequest::default(), version, &stem);
        let names: Vec<_> = groups
            .iter()
            .map(|one| (&*one.group_id, &*one.protocol_type))
            .collect();
        assert_eq!(names, [(&*simple, ""), (&*used, "consumer")]);
        let states: Vec<_> = groups
            .iter()
            .map(|one| (&*one.group_state, &*one.group_type))
            .collect();
        match version {
            0..=3 => assert_eq!(states, [("", ""); 2]),
            4 => assert_eq!(states, [("Empty", ""), ("Stable", "")]),
            _ => assert_eq!(states, [("Empty", "classic"), ("Stable", "classic")]),
        }
    }
    for (states, types, expected) in [
        (&["Stable"][..], &[][..], vec![&used]),
        (&["stable", "Empty"], &[], vec![&simple, &used]),
        (&["Dead"], &[], vec![]),
        (&["nonsense"], &[], vec![]),
        (&[], &["Classic"], vec![&simple, &used]),
        (&[], &["consumer"], vec![]),
        (&["EMPTY"], &["classic"], vec![&simple]),
    ] {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let request = ListGroupsRequest {
            states_filter: texts(states),
            types_filter: texts(types),
        };
        let groups = list(&server, &request, 5, &stem);
        let found: Vec<_> = groups.iter().map(|one| &one.group_id).collect();
        assert_eq!(found, expected, "{states:?} {types:?}");
    }
}
