//! The scheduler that Occopus is measured by: a clairvoyant list scheduler. It knows every latency before,
//! begins with what has the longest way still to go behind it, and loses no moment. The cloud treats it
//! as it treats Occopus: the same latencies, the same limits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use crate::graph::{Graph, KINDS};

/// What the cloud is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cloud {
    /// How long a call takes; it takes effect when half of that has passed.
    pub(crate) call: Duration,
    /// How long a health check takes.
    pub(crate) check: Duration,
    /// Create calls under way at the same time per endpoint.
    pub(crate) parallel: usize,
    /// Calls of one kind that an endpoint takes at once.
    pub(crate) burst: u32,
    /// Time after which it takes one more.
    pub(crate) interval: Duration,
}

/// What is known of an endpoint while time goes by.
struct Endpoint {
    free: usize,
    full_at: Duration,
    /// Nodes with instances to be made, by the length of the way from their start to the end.
    waiting: BinaryHeap<(Duration, Reverse<usize>)>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    CallEnded { endpoint: usize },
    Ready { member: usize },
    Token,
}

impl Cloud {
    /// From the start of a create call until it is known that the instance is ready: who looks at the best
    /// moment hears it half a call after it has booted, and checks its health.
    fn takes(&self, kind: usize) -> Duration {
        let boots = self.call / 2 + Duration::from_secs(KINDS[kind].boot);
        boots.max(self.call + self.call / 2) + self.call / 2 + self.check
    }

    /// The way from the start of each node to the end of all that waits for it.
    fn remaining(&self, graph: &Graph) -> Vec<Duration> {
        let mut behind = vec![Duration::ZERO; graph.members.len()];
        for (index, member) in graph.members.iter().enumerate().rev() {
            behind[index] += self.takes(member.kind);
            for need in &member.needs {
                behind[*need] = behind[*need].max(behind[index]);
            }
        }
        behind
    }

    /// How long it takes to make everything ready.
    pub(crate) fn makespan(&self, graph: &Graph) -> Duration {
        let remaining = self.remaining(graph);
        let mut run = Run {
            cloud: self,
            graph,
            remaining: &remaining,
            endpoints: BTreeMap::new(),
            to_make: graph.members.iter().map(|member| member.instances).collect(),
            to_be_ready: graph.members.iter().map(|member| member.instances).collect(),
            open: graph.members.iter().map(|member| member.needs.len()).collect(),
            events: BinaryHeap::new(),
        };
        run.finish()
    }
}

struct Run<'a> {
    cloud: &'a Cloud,
    graph: &'a Graph,
    remaining: &'a [Duration],
    endpoints: BTreeMap<usize, Endpoint>,
    /// Instances that no call was made for, by node.
    to_make: Vec<usize>,
    /// Instances that are not ready, by node.
    to_be_ready: Vec<usize>,
    /// Nodes that a node still waits for.
    open: Vec<usize>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
}

impl Run<'_> {
    fn finish(&mut self) -> Duration {
        let dependants = self.dependants();
        for index in 0..self.graph.members.len() {
            if self.open[index] == 0 {
                self.offer(index);
            }
        }
        let mut now = Duration::ZERO;
        self.start_calls(now);
        while let Some(Reverse((at, event))) = self.events.pop() {
            now = at;
            match event {
                Event::CallEnded { endpoint } => self.endpoint(endpoint).free += 1,
                Event::Ready { member } => self.ready(member, &dependants),
                Event::Token => {}
            }
            // What happens at the same moment is known before anything is decided.
            if self.events.peek().is_none_or(|Reverse((next, _))| *next > now) {
                self.start_calls(now);
            }
        }
        now
    }

    fn dependants(&self) -> Vec<Vec<usize>> {
        let mut dependants = vec![Vec::new(); self.graph.members.len()];
        for (index, member) in self.graph.members.iter().enumerate() {
            member.needs.iter().for_each(|need| dependants[*need].push(index));
        }
        dependants
    }

    fn endpoint(&mut self, endpoint: usize) -> &mut Endpoint {
        let free = self.cloud.parallel;
        self.endpoints.entry(endpoint).or_insert_with(|| Endpoint {
            free,
            full_at: Duration::ZERO,
            waiting: BinaryHeap::new(),
        })
    }

    fn offer(&mut self, member: usize) {
        let entry = (self.remaining[member], Reverse(member));
        let endpoint = KINDS[self.graph.members[member].kind].endpoint;
        self.endpoint(endpoint).waiting.push(entry);
    }

    fn ready(&mut self, member: usize, dependants: &[Vec<usize>]) {
        self.to_be_ready[member] -= 1;
        if self.to_be_ready[member] > 0 {
            return;
        }
        for dependant in &dependants[member] {
            self.open[*dependant] -= 1;
            if self.open[*dependant] == 0 {
                self.offer(*dependant);
            }
        }
    }

    /// Makes all calls that are possible now.
    fn start_calls(&mut self, now: Duration) {
        let Cloud { call, burst, interval, .. } = *self.cloud;
        let (graph, to_make, events) = (self.graph, &mut self.to_make, &mut self.events);
        for (number, endpoint) in &mut self.endpoints {
            while endpoint.free > 0
                && let Some((_, Reverse(member))) = endpoint.waiting.peek().copied()
            {
                let next = endpoint.full_at.max(now) + interval;
                let possible_at = next.saturating_sub(interval * burst);
                if possible_at > now {
                    events.push(Reverse((possible_at, Event::Token)));
                    break;
                }
                endpoint.full_at = next;
                endpoint.free -= 1;
                to_make[member] -= 1;
                if to_make[member] == 0 {
                    endpoint.waiting.pop();
                }
                events.push(Reverse((now + call, Event::CallEnded { endpoint: *number })));
                let ready = now + self.cloud.takes(graph.members[member].kind);
                events.push(Reverse((ready, Event::Ready { member })));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Member;

    use super::*;

    const CLOUD: Cloud = Cloud {
        call: Duration::from_millis(200),
        check: Duration::from_millis(50),
        parallel: 10,
        burst: 10,
        interval: Duration::from_millis(100),
    };
    /// From the call to the known readiness of the first kind, which boots for 20 s.
    const FIRST: Duration = Duration::from_millis(100 + 20_000 + 100 + 50);

    fn graph(members: &[(usize, usize, &[usize])]) -> Graph {
        let member = |(kind, instances, needs): &(usize, usize, &[usize])| Member {
            kind: *kind,
            instances: *instances,
            needs: needs.to_vec(),
        };
        Graph { name: "test", members: members.iter().map(member).collect() }
    }

    #[test]
    fn one_instance_takes_its_call_its_boot_and_its_check() {
        assert_eq!(CLOUD.makespan(&graph(&[(0, 1, &[])])), FIRST);
    }

    #[test]
    fn a_chain_takes_the_sum_of_its_links() {
        assert_eq!(CLOUD.makespan(&graph(&[(0, 1, &[]), (0, 1, &[0]), (0, 1, &[1])])), FIRST * 3);
    }

    #[test]
    fn what_the_burst_allows_is_started_at_once_and_the_rest_at_the_rate() {
        assert_eq!(CLOUD.makespan(&graph(&[(0, 10, &[])])), FIRST);
        // Ten at once; then the calls that are under way hold the others up for 200 ms, in which two more
        // tokens come.
        let rest = Duration::from_millis(100);
        assert_eq!(CLOUD.makespan(&graph(&[(0, 14, &[])])), FIRST + rest * 4);
    }

    #[test]
    fn calls_under_way_are_a_limit_of_their_own() {
        let alone = Cloud { parallel: 1, ..CLOUD };
        assert_eq!(alone.makespan(&graph(&[(0, 4, &[])])), FIRST + CLOUD.call * 3);
    }

    #[test]
    fn endpoints_do_not_hold_each_other_up() {
        let alone = Cloud { parallel: 1, ..CLOUD };
        let one = alone.makespan(&graph(&[(4, 5, &[])]));
        assert_eq!(alone.makespan(&graph(&[(0, 5, &[]), (4, 5, &[])])), one);
    }

    #[test]
    fn what_has_the_longest_way_to_go_is_begun_first() {
        let alone = Cloud { parallel: 1, ..CLOUD };
        let long = Duration::from_millis(100 + 90_000 + 100 + 50);
        assert_eq!(alone.makespan(&graph(&[(0, 5, &[]), (3, 1, &[])])), long);
    }

    #[test]
    fn nothing_is_faster_than_the_critical_path() {
        for graph in crate::graph::shapes() {
            assert!(
                Some(CLOUD.makespan(&graph)) >= CLOUD.remaining(&graph).into_iter().max(),
                "{}",
                graph.name
            );
        }
    }
}
