//! Requests for predictions: each is answered exactly once, by the newest model at the time it is leased.

use super::{drift_watch::DriftWatch, evaluation::Deployment, id};
use crate::{
    kinds::StageKind,
    model::{Answered, PredictError, Prediction},
    predict::{Answer, Request},
    settings::PipelineSettings,
};
use planaria_data::drift::Drift;
use planaria_kernel::{ExitCause, Intake, ItemId};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::oneshot;

/// Where an answer is waited for.
pub(crate) type Reply = oneshot::Sender<Result<Prediction, PredictError>>;

struct Pending {
    image: Arc<Vec<u8>>,
    reply: Reply,
}

/// The mailbox of predict.
pub(crate) struct Predictions {
    /// What drift is told by, once a model answers.
    watch: DriftWatch,
    capacity: usize,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    closed: bool,
}

impl Predictions {
    pub(crate) fn new(settings: &PipelineSettings) -> Self {
        let (watch, capacity) = (DriftWatch::new(settings.drift), settings.predict.capacity);
        Predictions { watch, capacity, next: 0, pending: BTreeMap::new(), closed: false }
    }

    /// Requests wait until a first model is deployed.
    pub(crate) fn begin(&mut self, intake: &mut Intake<'_>) {
        intake.raise_limit(id(StageKind::Predict), ItemId(0));
    }

    /// Takes no more requests; those that wait without a model end without an answer.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Answers all that wait that nobody will.
    pub(crate) fn refuse_all(&mut self) {
        self.closed = true;
        for (_, pending) in std::mem::take(&mut self.pending) {
            let _ = pending.reply.send(Err(PredictError::Stopping)); // whoever asked may have gone
        }
    }

    pub(crate) fn ask(&mut self, image: Vec<u8>, reply: Reply, intake: &mut Intake<'_>) {
        let refusal = if self.closed {
            Some(PredictError::Stopping)
        } else if self.pending.len() >= self.capacity {
            Some(PredictError::Busy { capacity: self.capacity })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            let _ = reply.send(Err(refusal)); // whoever asked may have gone
            return;
        }
        self.pending.insert(self.next, Pending { image: Arc::new(image), reply });
        intake.accept(id(StageKind::Predict), ItemId(self.next));
        self.next += 1;
    }

    pub(crate) fn request(&self, ordinal: u64, deployed: Option<&Deployment>) -> Request {
        let pending = &self.pending[&ordinal];
        match deployed {
            Some(deployed) if !pending.reply.is_closed() => {
                Request::Picture { image: pending.image.clone(), model: deployed.model.clone() }
            }
            _ => Request::Nothing,
        }
    }

    /// Another model answers the requests to come.
    pub(crate) fn deployed(&mut self, deployed: Option<&Deployment>) {
        self.watch.begin(deployed.map(|deployed| &*deployed.model), self.next);
    }

    /// The newest comparison of predictions with what the model was measured on.
    pub(crate) fn drift(&self) -> Option<&Drift> {
        self.watch.newest()
    }

    pub(crate) fn answered(&mut self, ordinal: u64, answer: Answer, intake: &mut Intake<'_>) {
        let (prediction, binned) = match answer {
            Some(Answered { prediction, binned }) => (prediction, binned),
            None => (Err(PredictError::Stopping), None),
        };
        let version = prediction.as_ref().map_or(0, |prediction| prediction.model);
        self.watch.settled(ordinal, version, binned, intake);
        self.reply(ordinal, prediction);
    }

    pub(crate) fn gave_up(&mut self, ordinal: u64, cause: &ExitCause, intake: &mut Intake<'_>) {
        self.watch.settled(ordinal, 0, None, intake);
        self.reply(ordinal, Err(PredictError::DeadLetter { cause: cause.to_string() }));
    }

    fn reply(&mut self, ordinal: u64, answer: Result<Prediction, PredictError>) {
        let pending = self.pending.remove(&ordinal).expect("a request is answered once");
        let _ = pending.reply.send(answer); // whoever asked may have gone
    }
}
