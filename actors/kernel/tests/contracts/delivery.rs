//! Every sequence of what may happen to a pipeline, on the bare core: no thread, no clock.

use crate::support::{Relay, STAGES, intensity, plan, supervision};
use planaria_kernel::{
    Core, Event, ExitCause, ItemId, PoolPlan, Sharing, SlotState, StageId, Strategy as Restart,
    WorkerId,
    failpoint::Exit,
    messages::{Action, PulseReading, Reply, Request, SupervisorEvent},
    shard_map::ShardMap,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

const ITEMS: u64 = 40;
const SHARDS: u32 = 8;
const MAILBOX: u64 = 6;

/// What may happen. A number picks whom it happens to, among those it can happen to.
#[derive(Debug, Clone)]
enum Step {
    /// The supervisor looks around; so many milliseconds have passed.
    Tick(u64),
    Begin(usize),
    Take(usize),
    Acknowledge(usize),
    AcknowledgeAgain(usize),
    /// Somebody acknowledges an item that he does not hold.
    AcknowledgeWrongly(usize, u64),
    /// An incarnation ends; as a zombie it may go on to acknowledge what it held.
    Lose(usize, ExitCause, bool),
    Scale(u16, u16),
    /// The supervisor starts again; it learns who is alive.
    Supervisor,
}

fn step() -> impl Strategy<Value = Step> {
    let cause = prop_oneof![
        Just(ExitCause::Panic("p".into())),
        Just(ExitCause::Error("e".into())),
        Just(ExitCause::Stopped),
        Just(ExitCause::ThreadLost),
        Just(ExitCause::Hung { silent_ms: 1 }),
        Just(ExitCause::Vanished),
    ];
    let who = || any::<usize>();
    prop_oneof![
        3 => (0..20u64).prop_map(Step::Tick),
        4 => who().prop_map(Step::Begin),
        4 => who().prop_map(Step::Take),
        12 => who().prop_map(Step::Acknowledge),
        1 => who().prop_map(Step::AcknowledgeAgain),
        1 => (who(), 0..ITEMS + 2).prop_map(|(w, i)| Step::AcknowledgeWrongly(w, i)),
        3 => (who(), cause, any::<bool>()).prop_map(|(w, c, z)| Step::Lose(w, c, z)),
        1 => (0..STAGES, 1..5u16).prop_map(|(s, n)| Step::Scale(s, n)),
        1 => Just(Step::Supervisor),
    ]
}

/// A worker as a puppet.
#[derive(Debug, Default)]
struct Puppet {
    has_begun: bool,
    leases: VecDeque<ItemId>,
    last: Option<ItemId>,
}

struct World {
    core: Core<Relay>,
    now: u64,
    /// Who runs, fenced or not.
    puppets: BTreeMap<WorkerId, Puppet>,
    /// Who has ended and may yet say something.
    zombies: BTreeMap<WorkerId, Puppet>,
    window: usize,
    events_seen: u64,
    /// A late or wrong answer was given so often.
    late: u64,
}

impl World {
    fn new(sharing: Sharing, window: u16, strategy: Restart) -> Self {
        let plan = |name| PoolPlan {
            window,
            sharing,
            strategy,
            mailbox: MAILBOX,
            shards: SHARDS,
            attempts_max: 4,
            intensity: intensity(1_000_000),
            ..plan(name, 2)
        };
        let plans = vec![plan("first"), plan("second"), plan("third")];
        let core = Core::new(plans, &supervision(), Relay::new(ITEMS)).expect("sound");
        let (puppets, zombies) = Default::default();
        let window = usize::from(window);
        let mut world = World { core, now: 0, puppets, zombies, window, events_seen: 0, late: 0 };
        world.core.update(0, &mut Vec::new(), Relay::admit);
        world
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(worker) => {
                    self.puppets.entry(worker).or_default();
                }
                Action::Fence(_) | Action::Hint(_) => {} // whoever is asked looks by himself
            }
        }
    }

    fn supervise(&mut self, event: SupervisorEvent) {
        let mut actions = Vec::new();
        self.core.supervise(event, self.now, &mut actions);
        self.perform(actions);
    }

    fn pull(&mut self, worker: WorkerId, request: Request<u64>) {
        let mut actions = Vec::new();
        let reply = self.core.pull(worker, request, self.now, &mut actions);
        self.perform(actions);
        match reply {
            Reply::Leases(leases) => {
                let puppet = self.puppets.get_mut(&worker).expect("only the living get leases");
                puppet.leases.extend(leases.into_iter().map(|lease| lease.item));
                assert!(puppet.leases.len() <= self.window, "at most `window` leases a worker");
            }
            Reply::End => {
                self.zombies.remove(&worker);
                if self.puppets.remove(&worker).is_some() {
                    self.exited(worker, ExitCause::Stopped, None);
                }
            }
        }
    }

    fn exited(&mut self, worker: WorkerId, cause: ExitCause, in_work: Option<ItemId>) {
        let exit = Exit { cause, ordered: false, in_work, backtrace: None };
        self.supervise(SupervisorEvent::Exited { worker, exit });
    }

    fn acknowledge(&mut self, worker: WorkerId, item: ItemId) {
        let output = item.0 + u64::from(worker.slot.stage.0);
        self.pull(worker, Request::Acknowledge { item, output, busy: Duration::ZERO });
    }

    fn tick(&mut self, passed: u64) {
        self.now += passed;
        let now = self.now;
        let reading = |worker: &WorkerId| PulseReading {
            worker: *worker,
            beats: now,
            in_work: None,
            ordered: false,
        };
        let pulses = self.puppets.keys().map(reading).collect();
        self.supervise(SupervisorEvent::Tick { pulses });
    }

    fn pick(&self, n: usize, fits: impl Fn(&Puppet) -> bool) -> Option<WorkerId> {
        let fitting: Vec<_> =
            self.puppets.iter().filter(|(_, p)| fits(p)).map(|(w, _)| *w).collect();
        (!fitting.is_empty()).then(|| fitting[n % fitting.len()])
    }

    fn begin(&mut self, worker: WorkerId) {
        self.puppets.get_mut(&worker).expect("picked").has_begun = true;
        self.pull(worker, Request::Began);
    }

    fn finish_one(&mut self, worker: WorkerId) {
        let puppet = self.puppets.get_mut(&worker).expect("picked");
        let item = puppet.leases.pop_front().expect("picked for its leases");
        puppet.last = Some(item);
        self.acknowledge(worker, item);
    }

    fn lose(&mut self, worker: WorkerId, cause: ExitCause, as_zombie: bool) {
        let puppet = self.puppets.remove(&worker).expect("picked");
        let in_work = puppet.leases.front().copied();
        if as_zombie {
            self.zombies.insert(worker, puppet);
        }
        self.exited(worker, cause, in_work);
        // Whatever it held, its late answer is dropped.
        if let (Some(zombie), Some(item)) = (self.zombies.get(&worker), in_work) {
            assert!(zombie.has_begun, "who holds a lease has begun");
            self.late += 1;
            self.acknowledge(worker, item);
        }
    }

    fn step(&mut self, step: Step) {
        let idle = |puppet: &Puppet| puppet.has_begun && puppet.leases.is_empty();
        let holds = |puppet: &Puppet| !puppet.leases.is_empty();
        match step {
            Step::Tick(passed) => self.tick(passed),
            Step::Begin(n) => {
                self.pick(n, |puppet| !puppet.has_begun).into_iter().for_each(|w| self.begin(w));
            }
            Step::Take(n) => {
                let waited = Duration::ZERO;
                if let Some(worker) = self.pick(n, idle) {
                    self.pull(worker, Request::Take { waited });
                }
            }
            Step::Acknowledge(n) => {
                self.pick(n, holds).into_iter().for_each(|w| self.finish_one(w));
            }
            Step::AcknowledgeAgain(n) => {
                if let Some(worker) = self.pick(n, |puppet| puppet.last.is_some()) {
                    let item = self.puppets[&worker].last.expect("picked for it");
                    self.late += 1;
                    self.acknowledge(worker, item);
                }
            }
            Step::AcknowledgeWrongly(n, item) => {
                if let Some(worker) =
                    self.pick(n, |p| p.has_begun && !p.leases.contains(&ItemId(item)))
                {
                    self.late += 1;
                    self.acknowledge(worker, ItemId(item));
                }
            }
            Step::Lose(n, cause, as_zombie) => {
                if let Some(worker) = self.pick(n, |_| true) {
                    self.lose(worker, cause, as_zombie);
                }
            }
            Step::Scale(stage, workers) => {
                self.core.scale(StageId(stage), workers, self.now).expect("within the limits");
            }
            Step::Supervisor => {
                let alive = self.puppets.keys().copied().collect();
                self.supervise(SupervisorEvent::Began { alive });
            }
        }
    }

    /// Lets everybody do his work until nothing is left.
    fn finish(&mut self) {
        for _ in 0..100_000 {
            if self.core.is_empty() && self.core.flow().ends.iter().all(|&n| n > 0) {
                return;
            }
            self.tick(10);
            for worker in self.puppets.keys().copied().collect::<Vec<_>>() {
                let Some(puppet) = self.puppets.get(&worker) else { continue };
                match (puppet.has_begun, puppet.leases.is_empty()) {
                    (false, _) => self.begin(worker),
                    (true, true) => self.pull(worker, Request::Take { waited: Duration::ZERO }),
                    (true, false) => self.finish_one(worker),
                }
            }
        }
        panic!("it does not end: {:?}", self.core);
    }

    /// The slots of every stage that own shards.
    fn owners(&self) -> Vec<BTreeSet<u16>> {
        let snapshot = planaria_kernel::snapshot(&self.core);
        let up = |pool: &planaria_kernel::PoolSnapshot| {
            let up = pool.workers.iter().filter(|worker| worker.state == SlotState::Up);
            up.map(|worker| worker.number - 1).collect()
        };
        snapshot.iter().map(up).collect()
    }

    /// How many shards the events since the last look say have moved, in each stage.
    fn moved(&mut self) -> Vec<u32> {
        let mut moved = vec![0; usize::from(STAGES)];
        let events = self.core.events().since(self.events_seen, usize::MAX);
        self.events_seen = self.core.events().next();
        for event in events {
            if let Event::Rebalanced { stage, shards_moved } = event.event {
                moved[usize::from(stage.0)] += shards_moved;
            }
        }
        moved
    }

    fn holds_what_is_promised(&self) {
        for (stage, pool) in self.core.pools().iter().enumerate() {
            let counts = pool.ledger().counts();
            let (open, ended) =
                (counts.ready + counts.leased, counts.committed + counts.dead_lettered);
            assert_eq!(counts.accepted, open + ended, "an item is in exactly one place");
            assert!(open <= MAILBOX, "no more unfinished items than the mailbox holds");
            let held: usize = self
                .puppets
                .iter()
                .filter(|(worker, _)| {
                    usize::from(worker.slot.stage.0) == stage && pool.is_current(**worker)
                })
                .map(|(_, puppet)| puppet.leases.len())
                .sum();
            assert_eq!(counts.leased, held as u64, "the ledger knows who holds what");
        }
        assert!(self.core.flow().ends.iter().all(|&n| n <= 1), "an item ends once at most");
    }
}

/// How many shards have another owner when these slots own them instead of those.
fn shards_between(before: &BTreeSet<u16>, after: &BTreeSet<u16>) -> u32 {
    let mut map = ShardMap::new(SHARDS);
    map.assign(|slot| before.contains(&slot), 16);
    map.assign(|slot| after.contains(&slot), 16)
}

fn run(mut world: World, steps: Vec<Step>) -> World {
    for step in steps {
        // Several slots at once go the way over each other: their shards may move more than once.
        let is_single = matches!(step, Step::Begin(_) | Step::Lose(..) | Step::Scale(..));
        let is_single = is_single && world.core.pools()[0].plan().strategy == Restart::OneForOne;
        let before = world.owners();
        world.step(step.clone());
        let (after, moved) = (world.owners(), world.moved());
        for stage in 0..usize::from(STAGES) {
            if is_single || before[stage] == after[stage] {
                let expected = shards_between(&before[stage], &after[stage]);
                assert_eq!(moved[stage], expected, "only shards that must move do: {step:?}");
            }
        }
        world.holds_what_is_promised();
    }
    world.finish();
    world.holds_what_is_promised();
    world
}

fn sharing() -> impl Strategy<Value = Sharing> {
    prop_oneof![Just(Sharing::OwnersOnly), Just(Sharing::IdleSlotsHelp)]
}

fn strategy() -> impl Strategy<Value = Restart> {
    prop_oneof![Just(Restart::OneForOne), Just(Restart::RestForOne), Just(Restart::OneForAll)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_item_has_exactly_one_end(
        steps in proptest::collection::vec(step(), 0..300),
        sharing in sharing(),
        strategy in strategy(),
        window in 1..4u16,
    ) {
        let world = run(World::new(sharing, window, strategy), steps);
        let flow = world.core.flow();
        prop_assert!(flow.ends.iter().all(|&n| n == 1), "{:?}", flow.ends);
        let mut commits = flow.committed.clone();
        commits.sort();
        let count = commits.len();
        commits.dedup();
        prop_assert_eq!(commits.len(), count, "no item is committed twice in a stage");
        let late: u64 =
            world.core.pools().iter().map(|pool| pool.ledger().counts().fenced_duplicates).sum();
        prop_assert!(late >= world.late, "late and double answers are counted");
    }

    #[test]
    fn owners_only_and_a_window_of_one_commit_a_shard_in_order(
        steps in proptest::collection::vec(step(), 0..300),
        strategy in strategy(),
    ) {
        let world = run(World::new(Sharing::OwnersOnly, 1, strategy), steps);
        let map = ShardMap::new(SHARDS);
        let mut last = BTreeMap::new();
        let first = world.core.flow().committed.iter().filter(|(stage, _)| *stage == StageId(0));
        for (_, item) in first {
            let before = last.insert(map.shard_of(*item), *item);
            prop_assert!(before.is_none_or(|before| before < *item), "{before:?}, then {item:?}");
        }
    }
}
