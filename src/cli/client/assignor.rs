//! How a group's partitions are shared out among its members, computed by the member that leads the group.

use std::collections::BTreeMap;

/// A strategy all members of the group understand. The names are Kafka's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Assignor {
    /// Per topic, each member gets a range of neighbouring partitions.
    #[default]
    Range,
    /// All partitions of all topics are dealt out one by one.
    #[value(name = "roundrobin")]
    RoundRobin,
}

/// What one member gets: partitions by topic.
pub type Assignment = BTreeMap<String, Vec<i32>>;

impl Assignor {
    /// Both, in the order in which we prefer them.
    pub const ALL: [Assignor; 2] = [Assignor::Range, Assignor::RoundRobin];

    /// The name in the group protocol.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
        }
    }

    /// The assignor of that name.
    pub fn from_name(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares out the partitions. `members`: each member and the topics it subscribes to. `partitions`: how many each
    /// topic has; a topic that is not there has none.
    pub fn assign(
        self,
        members: &BTreeMap<String, Vec<String>>,
        partitions: &BTreeMap<String, i32>,
    ) -> BTreeMap<String, Assignment> {
        let mut result: BTreeMap<String, Assignment> = members
            .keys()
            .map(|member| (member.clone(), Assignment::new()))
            .collect();
        match self {
            Assignor::Range => assign_ranges(members, partitions, &mut result),
            Assignor::RoundRobin => deal_out(members, partitions, &mut result),
        }
        result
    }
}

fn subscribers<'a>(members: &'a BTreeMap<String, Vec<String>>, topic: &str) -> Vec<&'a String> {
    let subscribes = |topics: &[String]| topics.iter().any(|t| t == topic);
    members
        .iter()
        .filter(|(_, topics)| subscribes(topics))
        .map(|(member, _)| member)
        .collect()
}

fn assign_ranges(
    members: &BTreeMap<String, Vec<String>>,
    partitions: &BTreeMap<String, i32>,
    result: &mut BTreeMap<String, Assignment>,
) {
    for (topic, &count) in partitions {
        let takers = subscribers(members, topic);
        if takers.is_empty() {
            continue;
        }
        let each = count / takers.len() as i32;
        let with_one_more = count % takers.len() as i32;
        let mut next = 0;
        for (i, member) in takers.into_iter().enumerate() {
            let share = each + i32::from((i as i32) < with_one_more);
            if share > 0 {
                give(result, member, topic, next..next + share);
            }
            next += share;
        }
    }
}

fn deal_out(
    members: &BTreeMap<String, Vec<String>>,
    partitions: &BTreeMap<String, i32>,
    result: &mut BTreeMap<String, Assignment>,
) {
    let names: Vec<&String> = members.keys().collect();
    let mut turn = 0;
    for (topic, &count) in partitions {
        let takers = subscribers(members, topic);
        if takers.is_empty() {
            continue;
        }
        for partition in 0..count {
            while !takers.contains(&names[turn % names.len()]) {
                turn += 1;
            }
            give(result, names[turn % names.len()], topic, partition..partition + 1);
            turn += 1;
        }
    }
}

fn give(
    result: &mut BTreeMap<String, Assignment>,
    member: &str,
    topic: &str,
    partitions: std::ops::Range<i32>,
) {
    let assignment = result.get_mut(member).expect("every member has an assignment");
    assignment.entry(topic.to_owned()).or_default().extend(partitions);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(assignor: Assignor, members: &[(&str, &str)], partitions: &[(&str, i32)], expected: &[&str]) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let members = members
            .iter()
            .map(|(member, topics)| (member.to_string(), words(topics)))
            .collect();
        let partitions = partitions
            .iter()
            .map(|(topic, count)| (topic.to_string(), *count))
            .collect();
        let result: Vec<String> = assignor
            .assign(&members, &partitions)
            .into_values()
            .map(|assignment| {
                let all = assignment
                    .iter()
                    .flat_map(|(t, ps)| ps.iter().map(move |p| format!("{t}{p}")));
                all.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(result, expected);
    }

    #[test]
    fn ranges() {
        check(
            Assignor::Range,
            &[("a", "t"), ("b", "t"), ("c", "t")],
            &[("t", 4)],
            &["t0 t1", "t2", "t3"],
        );
        check(
            Assignor::Range,
            &[("a", "t u"), ("b", "t")],
            &[("t", 3), ("u", 2)],
            &["t0 t1 u0 u1", "t2"],
        );
        check(
            Assignor::Range,
            &[("a", "t"), ("b", "t")],
            &[("t", 1)],
            &["t0", ""],
        );
        check(Assignor::Range, &[("a", "missing")], &[("t", 1)], &[""]);
    }

    #[test]
    fn dealt_out() {
        check(
            Assignor::RoundRobin,
            &[("a", "t u"), ("b", "t u")],
            &[("t", 3), ("u", 3)],
            &["t0 t2 u1", "t1 u0 u2"],
        );
        check(
            Assignor::RoundRobin,
            &[("a", "t"), ("b", "u")],
            &[("t", 2), ("u", 1)],
            &["t0 t1", "u0"],
        );
    }
}
