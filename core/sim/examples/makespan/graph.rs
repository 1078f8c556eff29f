//! The graphs that are built: who waits for whom, how many there are of each, and how long they boot.

/// A kind of machine: a node definition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// How long its machines boot, in seconds.
    pub(crate) boot: u64,
    /// The cloud that its machines are made on.
    pub(crate) endpoint: usize,
}

/// A node of the description.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Position of its kind in [`KINDS`].
    pub(crate) kind: usize,
    /// How many instances it has.
    pub(crate) instances: usize,
    /// Positions of the nodes that it waits for; smaller than its own.
    pub(crate) needs: Vec<usize>,
}

/// An infrastructure.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub(crate) name: &'static str,
    pub(crate) members: Vec<Member>,
}

/// Small and large machines on one cloud, and the same on another.
pub(crate) const KINDS: [Kind; 6] = [
    Kind { boot: 20, endpoint: 0 },
    Kind { boot: 35, endpoint: 0 },
    Kind { boot: 50, endpoint: 0 },
    Kind { boot: 90, endpoint: 0 },
    Kind { boot: 25, endpoint: 1 },
    Kind { boot: 60, endpoint: 1 },
];

/// Kinds of the first cloud.
const HERE: usize = 4;

impl Graph {
    fn new(name: &'static str) -> Self {
        Self { name, members: Vec::new() }
    }

    /// Adds a node and returns its position.
    fn add(&mut self, kind: usize, instances: usize, needs: &[usize]) -> usize {
        self.members.push(Member { kind, instances, needs: needs.to_vec() });
        self.members.len() - 1
    }

    /// Number of instances.
    pub(crate) fn instances(&self) -> usize {
        self.members.iter().map(|member| member.instances).sum()
    }
}

/// The shapes that are measured. Never changed without measuring all anew: their numbers are compared.
pub(crate) fn shapes() -> Vec<Graph> {
    vec![
        chain("chain of 20, one kind", 20, |_| 1),
        chain("chain of 100, four kinds", 100, |index| index % HERE),
        star("star: 1, then 100", 100),
        star("star: 1, then 1,999", 1_999),
        inward_star("100, then 1", 100),
        layers("layers: 10 of 20, full barrier", 10, 20, 1),
        layers("layers: 4 of 500, full barrier", 4, 500, 1),
        layers("layers: 8 of 5 nodes of 10, full barrier", 8, 10, 5),
        diamonds("diamonds: 20 in a row, 2 wide", 20, 2),
        diamonds("diamonds: 5 in a row, 100 wide", 5, 100),
        tree("binary tree of 255, outward", 255),
        inward_tree("binary tree of 255, inward", 255),
        random("random: 100 nodes", 100, 1, 1),
        random("random: 500 nodes", 500, 1, 2),
        random("random: 200 nodes of up to 10", 200, 10, 3),
        random("random: 2,000 nodes", 2_000, 1, 4),
        hadoop(),
        swarm(),
        queue_cluster(),
        three_tiers_on_two_clouds(),
    ]
}

fn chain(name: &'static str, length: usize, kind: impl Fn(usize) -> usize) -> Graph {
    let mut graph = Graph::new(name);
    for index in 0..length {
        let needs: Vec<usize> = index.checked_sub(1).into_iter().collect();
        graph.add(kind(index), 1, &needs);
    }
    graph
}

fn star(name: &'static str, points: usize) -> Graph {
    let mut graph = Graph::new(name);
    let centre = graph.add(2, 1, &[]);
    graph.add(1, points, &[centre]);
    graph
}

fn inward_star(name: &'static str, points: usize) -> Graph {
    let mut graph = Graph::new(name);
    let points = graph.add(1, points, &[]);
    graph.add(2, 1, &[points]);
    graph
}

/// Every node of a layer waits for every node of the layer before.
fn layers(name: &'static str, layers: usize, instances: usize, nodes: usize) -> Graph {
    let mut graph = Graph::new(name);
    let mut before = Vec::new();
    for layer in 0..layers {
        before = (0..nodes).map(|node| graph.add((layer + node) % HERE, instances, &before)).collect();
    }
    graph
}

fn diamonds(name: &'static str, count: usize, width: usize) -> Graph {
    let mut graph = Graph::new(name);
    let mut tip = graph.add(0, 1, &[]);
    for _ in 0..count {
        let middle: Vec<usize> = (0..width).map(|index| graph.add(index % HERE, 1, &[tip])).collect();
        tip = graph.add(0, 1, &middle);
    }
    graph
}

fn tree(name: &'static str, nodes: usize) -> Graph {
    let mut graph = Graph::new(name);
    for index in 0..nodes {
        let parent: Vec<usize> = index.checked_sub(1).map(|index| index / 2).into_iter().collect();
        graph.add(index % HERE, 1, &parent);
    }
    graph
}

fn inward_tree(name: &'static str, nodes: usize) -> Graph {
    let mut graph = Graph::new(name);
    for index in 0..nodes {
        // The leaves come first; the node `index` joins the two before it that nothing has joined yet.
        let leaves = nodes.div_ceil(2);
        let joined: Vec<usize> =
            index.checked_sub(leaves).map(|inner| vec![2 * inner, 2 * inner + 1]).unwrap_or_default();
        graph.add(index % HERE, 1, &joined);
    }
    graph
}

/// Each node waits for up to three of those before it.
fn random(name: &'static str, nodes: usize, most_instances: usize, seed: u64) -> Graph {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut graph = Graph::new(name);
    for index in 0..nodes {
        let mut needs: Vec<usize> =
            (0..rng.usize(0..=3)).filter(|_| index > 0).map(|_| rng.usize(0..index)).collect();
        needs.sort_unstable();
        needs.dedup();
        graph.add(rng.usize(..KINDS.len()), rng.usize(1..=most_instances), &needs);
    }
    graph
}

/// As the tutorial of 1.10 has it, with ten slaves.
fn hadoop() -> Graph {
    let mut graph = Graph::new("tutorial: Hadoop or Spark, 1 and 10");
    let master = graph.add(3, 1, &[]);
    graph.add(2, 10, &[master]);
    graph
}

/// As the tutorial of 1.10 has it: no dependency, the workers find their master by themselves.
fn swarm() -> Graph {
    let mut graph = Graph::new("tutorial: Docker Swarm, 1 and 10");
    graph.add(1, 1, &[]);
    graph.add(1, 10, &[]);
    graph
}

fn queue_cluster() -> Graph {
    let mut graph = Graph::new("tutorial: CQueue, 1 and 100");
    let master = graph.add(1, 1, &[]);
    graph.add(0, 100, &[master]);
    graph
}

fn three_tiers_on_two_clouds() -> Graph {
    let mut graph = Graph::new("three tiers on two clouds");
    let database = graph.add(3, 3, &[]);
    let cache = graph.add(4, 5, &[]);
    let here = graph.add(1, 40, &[database, cache]);
    let there = graph.add(5, 40, &[database, cache]);
    graph.add(0, 4, &[here, there]);
    graph
}
