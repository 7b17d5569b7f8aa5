//! The smallest pipeline in which everything can go wrong: 12 items are ingested, preprocessed and trained on, in 3 steps
//! of 4 gradient shards; the reduction of a step is a leased item like any other.

use super::net::{self, OUTPUTS, Parameters, Sample};
use crate::{
    DeterministicHost, Done, ExitCause, Flow, Intake, Intensity, ItemId, MakeWorker, PoolPlan,
    Pulse, Schedule, Sharing, SlotId, StageId, Strategy, Supervision, Worker, WorkerError,
    host::Outcome,
    mutant::{self, Mutant},
};
use std::sync::{Arc, LazyLock};

const ITEMS: u64 = 12;
const SHARDS: u64 = 4;
const STEPS: u64 = ITEMS / SHARDS;
const INGEST: StageId = StageId(0);
const PREPROCESS: StageId = StageId(1);
const TRAIN: StageId = StageId(2);

/// Items that each stage commits: a step has its shards and its reduction.
pub(super) const COMMITS: [u64; 3] = [ITEMS, ITEMS, STEPS * (SHARDS + 1)];

/// What a worker gets.
pub(super) enum Input {
    Ingest,
    Preprocess(Sample),
    Gradient { weights: Arc<Parameters>, x: Sample, class: usize },
    Reduce { weights: Arc<Parameters>, gradients: Vec<Parameters> },
}

/// What a worker makes.
pub(super) enum Output {
    Sample(Sample),
    Parameters(Arc<Parameters>),
}

/// The state beside the ledgers.
pub(super) struct TinyTraining {
    accepted: u64,
    raw: Vec<Option<Sample>>,
    samples: Vec<Option<Sample>>,
    weights: Arc<Parameters>,
    /// The step that is trained, or will be next; its gradients, each in its place; the order in which they came.
    step: u64,
    gradients: [Option<Arc<Parameters>>; SHARDS as usize],
    arrived: Vec<usize>,
    /// Steps whose shards have been accepted.
    begun: u64,
}

impl TinyTraining {
    fn new() -> Self {
        TinyTraining {
            accepted: 0,
            raw: vec![None; ITEMS as usize],
            samples: vec![None; ITEMS as usize],
            weights: Arc::new(net::initial()),
            step: 0,
            gradients: Default::default(),
            arrived: Vec::new(),
            begun: 0,
        }
    }

    /// What came of the training, bit for bit.
    pub(super) fn bits(&self) -> Vec<u32> {
        self.weights.iter().map(|weight| weight.to_bits()).collect()
    }

    /// Accepts all that there is room for, and the shards of the next step once its items are there.
    fn admit(&mut self, intake: &mut Intake<'_>) {
        let bound = intake.oldest_unfinished(PREPROCESS).0 + intake.mailbox(PREPROCESS);
        intake.raise_limit(INGEST, ItemId(bound));
        intake.raise_limit(PREPROCESS, ItemId(self.step * SHARDS + intake.mailbox(TRAIN)));
        let room = intake.oldest_unfinished(INGEST).0 + intake.mailbox(INGEST);
        while self.accepted < ITEMS.min(room) {
            intake.accept(INGEST, ItemId(self.accepted));
            self.accepted += 1;
        }
        let first = (self.step * SHARDS) as usize;
        let batch = self.samples.get(first..first + SHARDS as usize).unwrap_or_default();
        if self.begun == self.step && !batch.is_empty() && batch.iter().all(Option::is_some) {
            self.begun += 1;
            for shard in 0..SHARDS {
                intake.accept(TRAIN, ItemId(self.step * (SHARDS + 1) + shard));
            }
        }
    }

    fn commit_gradient(&mut self, item: ItemId, of: Arc<Parameters>, intake: &mut Intake<'_>) {
        let (step, shard) = (item.0 / (SHARDS + 1), (item.0 % (SHARDS + 1)) as usize);
        if step != self.step {
            return; // only a step that was reduced too early has gradients left
        }
        self.gradients[shard] = Some(of);
        self.arrived.push(shard);
        let is_whole = match mutant::active() {
            Mutant::ReduceWithoutOne => self.arrived.len() + 1 == SHARDS as usize,
            Mutant::ReduceOnLast => shard + 1 == SHARDS as usize,
            _ => self.arrived.len() == SHARDS as usize,
        };
        if is_whole {
            intake.accept(TRAIN, ItemId(step * (SHARDS + 1) + SHARDS));
        }
    }
}

impl Flow for TinyTraining {
    type Input = Input;
    type Output = Output;

    fn input(&mut self, stage: StageId, item: ItemId) -> Input {
        let (step, shard) = (item.0 / (SHARDS + 1), item.0 % (SHARDS + 1));
        let weights = self.weights.clone();
        match stage {
            INGEST => Input::Ingest,
            PREPROCESS => Input::Preprocess(self.raw[item.0 as usize].expect("ingested before")),
            _ if shard < SHARDS => {
                let at = (step * SHARDS + shard) as usize;
                let x = self.samples[at].expect("preprocessed before");
                Input::Gradient { weights, x, class: at % OUTPUTS }
            }
            _ => {
                let mut order: Vec<usize> = (0..SHARDS as usize).collect();
                if mutant::is(Mutant::ArrivalOrder) {
                    order.clone_from(&self.arrived);
                }
                let gradient = |shard: usize| self.gradients[shard].as_deref().copied();
                let gradients = order.into_iter().filter_map(gradient).collect();
                Input::Reduce { weights, gradients }
            }
        }
    }

    fn commit(
        &mut self,
        stage: StageId,
        item: ItemId,
        done: Done<Output>,
        intake: &mut Intake<'_>,
    ) {
        match done.output {
            Output::Sample(sample) if stage == INGEST => {
                self.raw[item.0 as usize] = Some(sample);
                intake.accept(PREPROCESS, item);
            }
            Output::Sample(sample) => self.samples[item.0 as usize] = Some(sample),
            Output::Parameters(gradient) if item.0 % (SHARDS + 1) < SHARDS => {
                self.commit_gradient(item, gradient, intake);
            }
            Output::Parameters(weights) => {
                self.weights = weights;
                self.step += 1;
                self.gradients = Default::default();
                self.arrived.clear();
            }
        }
        self.admit(intake);
    }

    fn give_up(&mut self, _: StageId, _: ItemId, _: &ExitCause, _: &mut Intake<'_>) {}
}

struct Hand;

impl Worker<TinyTraining> for Hand {
    fn handle(&mut self, item: ItemId, input: Input, pulse: &Pulse) -> Result<Output, WorkerError> {
        let output = match input {
            Input::Ingest => Output::Sample(net::ingest(item.0)),
            Input::Preprocess(raw) => Output::Sample(net::preprocess(item.0, &raw)),
            Input::Gradient { weights, x, class } => {
                Output::Parameters(Arc::new(net::gradient(&weights, &x, class)))
            }
            Input::Reduce { weights, gradients } => {
                let sum = net::sum(&gradients);
                Output::Parameters(Arc::new(net::step(&weights, &sum)))
            }
        };
        pulse.beat()?;
        Ok(output)
    }
}

/// The shape of the pools.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) workers: u16,
    pub(super) window: u16,
    pub(super) strategy: Strategy,
    pub(super) sharing: Sharing,
    /// 0 lets the next incarnation work beside the survivors; else they have done all by then, as work takes no time here.
    pub(super) backoff_ms: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            workers: 2,
            window: 2,
            strategy: Strategy::OneForOne,
            sharing: Sharing::IdleSlotsHelp,
            backoff_ms: 0,
        }
    }
}

impl Shape {
    /// Trains once.
    pub(super) fn run(&self, schedule: &Schedule) -> Outcome<TinyTraining> {
        let restarts = Intensity {
            restarts_max: 1_000,
            window_ms: 60_000,
            backoff_min_ms: self.backoff_ms,
            backoff_max_ms: 4 * self.backoff_ms,
        };
        let plan = |name| PoolPlan {
            name,
            workers: self.workers,
            window: self.window,
            mailbox: 8,
            shards: 8,
            sharing: self.sharing,
            hang_after_ms: 100,
            attempts_max: 4,
            strategy: self.strategy,
            intensity: restarts.clone(),
        };
        let plans = vec![plan("ingest"), plan("preprocess"), plan("train")];
        let supervision = Supervision { intensity: restarts.clone(), abandoned_threads_max: 64 };
        let maker: MakeWorker<TinyTraining> = MAKER.clone();
        let makers = vec![maker; 3];
        let flow = TinyTraining::new();
        DeterministicHost::new(plans, supervision, makers, flow, TinyTraining::admit)
            .expect("the plans are sound")
            .run(schedule, |flow| flow.step == STEPS)
    }
}

static MAKER: LazyLock<MakeWorker<TinyTraining>> =
    LazyLock::new(|| Arc::new(|_: SlotId| Ok(Box::new(Hand) as Box<dyn Worker<TinyTraining>>)));

/// The same training as a plain loop: the definition of right.
pub(super) fn reference() -> Vec<u32> {
    let mut weights = net::initial();
    for step in 0..STEPS {
        let gradient = |item: u64| {
            let x = net::preprocess(item, &net::ingest(item));
            net::gradient(&weights, &x, item as usize % OUTPUTS)
        };
        let gradients: Vec<Parameters> =
            (step * SHARDS..(step + 1) * SHARDS).map(gradient).collect();
        weights = net::step(&weights, &net::sum(&gradients));
    }
    weights.iter().map(|weight| weight.to_bits()).collect()
}

#[test]
fn another_order_of_addition_shows_in_the_bits() {
    let gradient =
        |item: u64| net::gradient(&net::initial(), &net::preprocess(item, &net::ingest(item)), 0);
    let in_order: Vec<Parameters> = (0..SHARDS).map(gradient).collect();
    let by_arrival: Vec<Parameters> = [0, 2, 1, 3].map(gradient).to_vec();
    assert_ne!(net::sum(&in_order), net::sum(&by_arrival));
}
