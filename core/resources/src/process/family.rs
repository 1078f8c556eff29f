//! Which processes belong to an instance. Pure.

use std::collections::BTreeSet;

use super::procfs::{Birth, Stat};

/// The living processes of the instance whose main process was `leader`.
///
/// * Members of its session, if a witness proves that the session is still its own: the leader itself
///   (a zombie will do), a process `known` to belong from an earlier look, or one `marked`: started
///   with the instance's marker. Without a witness the number may meanwhile belong to a stranger.
/// * Descendants of those that left the session, if they are `marked`. Descent alone is not enough (an
///   instance may have started instances of its own, which stay), the marker alone is not either
///   (anybody may have inherited it).
pub(super) fn family(
    all: &[Stat],
    leader: Birth,
    known: &BTreeSet<Birth>,
    marked: impl Fn(i32) -> bool,
) -> BTreeSet<Birth> {
    let session: Vec<&Stat> =
        all.iter().filter(|stat| stat.session == leader.pid && stat.birth.start >= leader.start).collect();
    let witnessed = session.iter().any(|stat| stat.birth == leader || known.contains(&stat.birth))
        || session.iter().any(|stat| marked(stat.birth.pid));
    let mut members: BTreeSet<Birth> =
        all.iter().map(|stat| stat.birth).filter(|birth| known.contains(birth)).collect();
    if witnessed {
        members.extend(session.iter().map(|stat| stat.birth));
    }
    loop {
        let children: Vec<Birth> = all
            .iter()
            .filter(|stat| !members.contains(&stat.birth))
            .filter(|stat| {
                let elder = |member: &Birth| member.pid == stat.parent && member.start <= stat.birth.start;
                members.iter().any(elder) && marked(stat.birth.pid)
            })
            .map(|stat| stat.birth)
            .collect();
        if children.is_empty() {
            break;
        }
        members.extend(children);
    }
    let dead = all.iter().filter(|stat| stat.dead).map(|stat| stat.birth).collect();
    members.difference(&dead).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Birth = Birth { pid: 100, start: 50 };

    fn process(pid: i32, parent: i32, session: i32, start: u64) -> Stat {
        Stat { birth: Birth { pid, start }, parent, session, dead: false }
    }

    fn dead(stat: Stat) -> Stat {
        Stat { dead: true, ..stat }
    }

    fn pids(all: &[Stat], known: &[Birth], marked: &[i32]) -> Vec<i32> {
        let known = known.iter().copied().collect();
        family(all, LEADER, &known, |pid| marked.contains(&pid)).iter().map(|birth| birth.pid).collect()
    }

    #[test]
    fn the_whole_session_belongs_to_its_leader() {
        let all = [process(100, 1, 100, 50), process(101, 100, 100, 60), process(102, 1, 100, 70)];
        assert_eq!(pids(&all, &[], &[]), [100, 101, 102]);
    }

    #[test]
    fn a_zombie_leader_is_a_witness_but_no_member() {
        let all = [dead(process(100, 1, 100, 50)), process(101, 1, 100, 60)];
        assert_eq!(pids(&all, &[], &[]), [101]);
    }

    #[test]
    fn without_a_leader_a_marked_or_known_process_is_a_witness() {
        let all = [process(101, 1, 100, 60), process(102, 1, 100, 70)];
        assert_eq!(pids(&all, &[], &[102]), [101, 102]);
        assert_eq!(pids(&all, &[Birth { pid: 101, start: 60 }], &[]), [101, 102]);
    }

    #[test]
    fn a_stranger_that_reuses_the_number_is_left_alone() {
        let all = [process(100, 1, 100, 90), process(101, 100, 100, 95)];
        assert_eq!(pids(&all, &[LEADER, Birth { pid: 101, start: 60 }], &[]), Vec::<i32>::new());
    }

    #[test]
    fn an_inherited_marker_alone_makes_no_member() {
        let all = [process(100, 1, 100, 50), process(200, 1, 200, 60)];
        assert_eq!(pids(&all, &[], &[100, 200]), [100]);
    }

    #[test]
    fn a_child_in_a_session_of_its_own_belongs_if_it_is_marked() {
        let all = [
            process(100, 1, 100, 50),
            process(200, 100, 200, 60),
            process(201, 200, 201, 61),
            process(300, 100, 300, 60),
        ];
        assert_eq!(pids(&all, &[], &[200, 201]), [100, 200, 201]);
    }

    #[test]
    fn a_process_older_than_its_supposed_parent_is_no_child() {
        let all = [process(100, 1, 100, 50), process(200, 100, 200, 40)];
        assert_eq!(pids(&all, &[], &[200]), [100]);
    }

    #[test]
    fn what_is_known_stays_known_after_it_left_the_session() {
        let all = [process(200, 1, 200, 60)];
        assert_eq!(pids(&all, &[Birth { pid: 200, start: 60 }], &[]), [200]);
    }
}
