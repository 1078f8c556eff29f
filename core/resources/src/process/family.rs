//! Which processes belong to an instance. Pure.

use std::collections::BTreeSet;

use super::procfs::{Birth, Stat};

/// Whose marker a process was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The instance's own.
    Own,
    /// Another instance's.
    Foreign,
    /// None, or it cannot be read, as for a moment while a process becomes another program.
    None,
}

/// The living processes of the instance whose main process was `leader`.
///
/// * Members of its session, if a witness proves that the session is still its own: the leader itself
///   (a zombie will do), a process `known` to belong from an earlier look, or one with its own
///   mark. Without a witness the number may meanwhile belong to a stranger. A mark alone makes no
///   member: anybody may have inherited it.
/// * Descendants of members that left the session, unless they have a foreign mark: an instance may
///   have started instances of its own, which stay.
pub(super) fn family(
    all: &[Stat],
    leader: Birth,
    known: &BTreeSet<Birth>,
    mark: impl Fn(i32) -> Mark,
) -> BTreeSet<Birth> {
    let session: Vec<&Stat> = all.iter().filter(|stat| stat.could_belong_to(leader)).collect();
    let witnessed = session.iter().any(|stat| stat.birth == leader || known.contains(&stat.birth))
        || session.iter().any(|stat| mark(stat.birth.pid) == Mark::Own);
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
                members.iter().any(elder) && mark(stat.birth.pid) != Mark::Foreign
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

    fn pids(all: &[Stat], known: &[Birth], own: &[i32]) -> Vec<i32> {
        let mark = |pid| if own.contains(&pid) { Mark::Own } else { Mark::None };
        marked_pids(all, known, mark)
    }

    fn marked_pids(all: &[Stat], known: &[Birth], mark: impl Fn(i32) -> Mark) -> Vec<i32> {
        let known = known.iter().copied().collect();
        family(all, LEADER, &known, mark).iter().map(|birth| birth.pid).collect()
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
    fn a_child_in_a_session_of_its_own_belongs_unless_it_is_an_instance_itself() {
        let all = [
            process(100, 1, 100, 50),
            process(200, 100, 200, 60),
            process(201, 200, 201, 61),
            process(300, 100, 300, 60),
        ];
        let mark = |pid| if pid == 300 { Mark::Foreign } else { Mark::None };
        assert_eq!(marked_pids(&all, &[], mark), [100, 200, 201]);
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
