//! The handle on a running pipeline.

use crate::{
    assemble,
    chaos::{self, ChaosPlan},
    checkpoint,
    deploy::models_folder,
    events::{EventPage, PipelineEvent},
    flow::{self, Deployment, PipelineFlow, Progress},
    kinds::{STAGES, StageKind},
    model::{PredictError, Prediction},
    plan::{Plan, PlanError},
    quarantine::{Quarantine, QuarantineError},
    results::Results,
    resume::{self, ResumeError, Resumed},
    settings::PipelineSettings,
    status::Status,
    view,
};
use planaria_durable::DurableError;
use planaria_kernel::{ActixHost, Autoscale, Target};
use serde::{Deserialize, Serialize};
use std::{
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// How often a draining pipeline is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// How often automatic scaling looks for the bottleneck.
const AUTOSCALE_LOOK: Duration = Duration::from_millis(500);

/// A running pipeline. Clones are the same pipeline.
#[derive(Clone)]
pub struct Pipeline(Arc<Shared>);

struct Shared {
    host: ActixHost<PipelineFlow>,
    plan: Arc<Plan>,
    chaos_left: AtomicU64,
    autoscale: Mutex<Option<Autoscale>>,
    /// Items that this process keeps in the quarantine; [`NOT_KEPT`] before it has kept any.
    quarantined: AtomicU64,
}

/// The quarantine is still that of an earlier process.
const NOT_KEPT: u64 = u64::MAX;

/// How an actor is made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Death {
    /// It panics.
    Panic,
    /// It ends with an error.
    Error,
    /// It stops.
    Stop,
    /// Its thread ends without a word.
    LostThread,
    /// It makes no progress until it is fenced; then it goes on, as a zombie.
    Hang,
}

impl From<Death> for planaria_kernel::Death {
    fn from(death: Death) -> Self {
        match death {
            Death::Panic => planaria_kernel::Death::Panic,
            Death::Error => planaria_kernel::Death::Error,
            Death::Stop => planaria_kernel::Death::Stop,
            Death::LostThread => planaria_kernel::Death::LostThread,
            Death::Hang => planaria_kernel::Death::Hang,
        }
    }
}

/// Why a pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its pools cannot be built.
    #[error(transparent)]
    Pools(#[from] planaria_kernel::PlanError),
    /// There is nothing to go on from.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// There is nowhere to keep models.
    #[error("cannot make the folder {path}: choose another with `--state` or `state.dir`")]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What a dead process left behind cannot be cleared away.
    #[error(transparent)]
    Sweep(#[from] DurableError),
    /// What was set aside cannot be kept.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
}

/// Why a job ended without its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It cannot be done.
    #[error("{reason}")]
    Failed {
        /// Why not.
        reason: String,
    },
    /// It was stopped before its end.
    #[error("stopped before the training was finished")]
    Stopped,
}

/// Why nobody was killed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KillError {
    /// There is no such actor.
    #[error(transparent)]
    Unknown(#[from] planaria_kernel::KillError),
    /// One plan of kills at a time.
    #[error("a chaos plan is running, {left} kills are left: wait for its end")]
    ChaosRuns {
        /// Kills that it has still to do.
        left: u64,
    },
    /// There is nobody left to kill.
    #[error("the pipeline has stopped")]
    Stopped,
}

/// A pool has another number of workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// Which.
    pub stage: String,
    /// Workers before.
    pub from: u16,
    /// Workers from now on.
    pub to: u16,
}

/// Why a pool keeps its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// There is no such stage.
    #[error("no stage is called `{stage}`: there are {known}")]
    Unknown {
        /// What was asked for.
        stage: String,
        /// What there is.
        known: String,
    },
    /// No pool can have so many workers.
    #[error(transparent)]
    Workers(#[from] planaria_kernel::PlanError),
    /// There is nobody left to scale.
    #[error("the pipeline has stopped")]
    Stopped,
}

/// Makes the folders of the state, clears away what dead writers left there, reads the checkpoint to go on from, and begins a
/// cache where one is wanted and there is none.
///
/// # Errors
/// [`StartError::StateFolder`], [`StartError::Sweep`], [`StartError::Resume`].
pub(crate) fn open_state(plan: &mut Plan) -> Result<Option<Resumed>, StartError> {
    for folder in [models_folder(plan), checkpoint::folder(plan)] {
        std::fs::create_dir_all(&folder)
            .map_err(|source| StartError::StateFolder { path: folder.clone(), source })?;
        planaria_durable::whole_file::sweep(&folder)?;
    }
    let resume = plan.settings.resume.as_ref();
    let resumed = resume.map(|resume| resume::open(plan, resume)).transpose()?;
    plan.cache = plan.cache.take().or_else(|| plan.keeping.begin());
    Ok(resumed)
}

impl Pipeline {
    /// Opens the source and starts every pool under its supervisor. Call it inside a running `actix::System`.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub fn start(settings: PipelineSettings) -> Result<Pipeline, StartError> {
        let mut plan = Plan::new(settings)?;
        let resumed = open_state(&mut plan)?;
        let plan = Arc::new(plan);
        let host = ActixHost::start(
            assemble::pool_plans(&plan),
            assemble::supervision(&plan.settings.supervision),
            assemble::makers(&plan),
            PipelineFlow::new(plan.clone(), resumed),
            PipelineFlow::begin,
        )?;
        let autoscale = plan.settings.autoscale;
        let shared = Shared {
            host,
            plan,
            chaos_left: AtomicU64::new(0),
            autoscale: Mutex::default(),
            quarantined: AtomicU64::new(NOT_KEPT),
        };
        let pipeline = Pipeline(Arc::new(shared));
        pipeline.autoscale(autoscale);
        Ok(pipeline)
    }

    /// A moment of the pipeline.
    pub fn status(&self) -> Status {
        let restarts = self.0.host.supervisor_restarts();
        let chaos_left = self.0.chaos_left.load(Ordering::Acquire);
        self.0.host.read(|core| view::status(core, &self.0.plan, restarts, chaos_left))
    }

    /// The figures of the run so far; complete after [`Pipeline::trained`].
    pub fn results(&self) -> Results {
        let restarts = self.0.host.supervisor_restarts();
        self.0.host.read(|core| view::results(core, &self.0.plan, restarts))
    }

    /// Keeps what has been set aside so far where a person can look at it, unless it is kept already.
    ///
    /// # Errors
    /// [`QuarantineError`].
    pub fn keep_quarantine(&self) -> Result<(), QuarantineError> {
        let plan = &self.0.plan;
        let items = self.0.host.read(|core| view::quarantined(core, plan));
        // Items are only ever added.
        let count = items.len() as u64;
        if self.0.quarantined.load(Ordering::Acquire) != count {
            Quarantine::of(&plan.settings).keep(items, plan.opened.raw())?;
            self.0.quarantined.store(count, Ordering::Release);
        }
        Ok(())
    }

    /// Answers one picture, given as the bytes of an image file, by the newest model. Before the first one is deployed it
    /// waits, up to the deadline.
    ///
    /// # Errors
    /// [`PredictError`]: busy, no picture, too late, given up, or stopping.
    pub async fn predict(&self, image: Vec<u8>) -> Result<Prediction, PredictError> {
        let (reply, answer) = oneshot::channel();
        self.0.host.update(|flow, intake| flow.ask(image, reply, intake));
        let deadline_ms = self.0.plan.settings.predict.deadline_ms;
        match tokio::time::timeout(Duration::from_millis(deadline_ms), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(PredictError::Stopping),
            Err(_) => Err(PredictError::Deadline { deadline_ms }),
        }
    }

    /// Kills `train/1`, every worker of `train`, the `supervisor`, or `all` workers; returns the names of those that got the
    /// order. They die at their next schedule point, in the middle of an item if they work on one.
    ///
    /// # Errors
    /// [`KillError::Unknown`] with the names there are; [`KillError::Stopped`].
    pub fn kill(&self, target: &str, death: Death) -> Result<Vec<String>, KillError> {
        let target = self.0.host.target(target)?;
        if self.has_ended() {
            return Err(KillError::Stopped);
        }
        Ok(self.order(target, death.into()))
    }

    /// Starts killing actors at random in the background; one plan at a time.
    ///
    /// # Errors
    /// [`KillError::ChaosRuns`], [`KillError::Stopped`].
    pub fn chaos(&self, plan: ChaosPlan) -> Result<(), KillError> {
        if self.has_ended() {
            return Err(KillError::Stopped);
        }
        let begun =
            self.0.chaos_left.compare_exchange(0, plan.kills, Ordering::AcqRel, Ordering::Acquire);
        if let Err(left) = begun {
            return Err(KillError::ChaosRuns { left });
        }
        actix_rt::spawn(chaos::run(self.clone(), plan));
        Ok(())
    }

    /// Lets a stage have another number of workers. New ones are started, those too many end what they hold; results do not
    /// change.
    ///
    /// # Errors
    /// [`ScaleError`]; nothing has changed then.
    pub fn scale(&self, stage: &str, workers: u16) -> Result<Scaled, ScaleError> {
        let Some(kind) = STAGES.into_iter().find(|kind| kind.name() == stage) else {
            let known = STAGES.map(StageKind::name).join(", ");
            return Err(ScaleError::Unknown { stage: stage.to_owned(), known });
        };
        if self.has_ended() {
            return Err(ScaleError::Stopped);
        }
        let at = flow::id(kind);
        let from = self.0.host.read(|core| core.pools()[usize::from(at.0)].wanted());
        self.0.host.scale(at, workers)?;
        Ok(Scaled { stage: stage.to_owned(), from, to: workers })
    }

    /// Lets workers move to the stage that is the bottleneck, within the cores there are, or lets pools keep their sizes. Results
    /// do not change. Call it in the task that the pipeline was started in.
    pub fn autoscale(&self, on: bool) {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u16::try_from(cores).unwrap_or(u16::MAX);
        let task = on.then(|| self.0.host.autoscale(cores, AUTOSCALE_LOOK));
        // A pointer is replaced whole: a panic elsewhere cannot leave it half changed.
        *self.0.autoscale.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// What happened to actors and items, from event `since` on, at most `most` of it.
    pub fn events(&self, since: u64, most: usize) -> EventPage {
        let events = self.0.host.events_since(since, most);
        let next = events.last().map_or(since, |event| event.number + 1);
        EventPage { events: events.into_iter().map(PipelineEvent::from).collect(), next }
    }

    /// Admits nothing more; what is accepted ends. Returns when all has ended and every worker has stopped; threads that
    /// hang are left behind.
    pub async fn drain(&self) {
        self.0.host.update(|flow, intake| flow.drain(intake));
        while !self.has_ended() && !self.0.host.read(planaria_kernel::Core::is_empty) {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.0.host.stop();
        self.0.host.ended().await;
        self.0.host.update(|flow, _| flow.end());
    }

    /// Waits until all training, evaluation, deployment and comparison is done.
    ///
    /// # Errors
    /// [`JobError::Failed`] when it cannot be done, [`JobError::Stopped`] when the pipeline was drained before.
    pub async fn trained(&self) -> Result<(), JobError> {
        let mut progress = self.0.host.read(|core| core.flow().progress.subscribe());
        let over = tokio::select! {
            over = self.0.host.ended() => over,
            _ = progress.wait_for(|progress| *progress != Progress::Running) => None,
        };
        if let Some(escalation) = over {
            return Err(JobError::Failed { reason: escalation.to_string() });
        }
        let progress = progress.borrow().clone();
        match progress {
            Progress::Done => Ok(()),
            Progress::Failed(reason) => Err(JobError::Failed { reason }),
            Progress::Running => Err(JobError::Stopped),
        }
    }

    /// True once nothing more is admitted.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.host.read(|core| core.flow().is_draining() || core.is_stopping())
    }

    /// True once nobody works any more.
    fn has_ended(&self) -> bool {
        self.0.host.has_ended()
    }

    pub(crate) fn order(&self, target: Target, death: planaria_kernel::Death) -> Vec<String> {
        self.0.host.kill(target, death)
    }

    pub(crate) fn chaos_left(&self) -> &AtomicU64 {
        &self.0.chaos_left
    }

    /// Workers of every pool.
    pub(crate) fn pool_sizes(&self) -> Vec<u16> {
        self.0.host.read(|core| core.pools().iter().map(planaria_kernel::Pool::wanted).collect())
    }
}

impl Deployment {
    /// The epoch that its training ended in, from 1.
    pub(crate) fn epoch(&self, plan: &Plan) -> u32 {
        plan.epoch_of(self.step.saturating_sub(1)) + 1
    }
}
