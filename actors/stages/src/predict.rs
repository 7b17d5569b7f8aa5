//! A user's picture -> its class, by the newest model.

use crate::{
    model::{Answered, Model, OnePicture},
    stage::{Outcome, Stage, Task},
};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// A picture and the model that is to answer it.
pub(crate) enum Request {
    /// Answer it.
    Picture { image: Arc<Vec<u8>>, model: Arc<Model> },
    /// Nobody waits for the answer any more, or there is no model to give one.
    Nothing,
}

/// What a request comes to; none when nobody waits.
pub(crate) type Answer = Option<Answered>;

/// Answers one request.
#[derive(Default)]
pub(crate) struct Predict(OnePicture);

impl Stage for Predict {
    type Task = Request;
    type Made = Answer;

    fn accept(task: Task) -> Option<Request> {
        if let Task::Predict(request) = task { Some(request) } else { None }
    }

    fn answer(made: Answer) -> Outcome {
        Outcome::Predict(made)
    }

    fn work(&mut self, request: Request, pulse: &Pulse) -> Result<Answer, WorkerError> {
        pulse.beat()?;
        match request {
            Request::Picture { image, model } => {
                Ok(Some(self.0.predict(&model, &image, &mut || pulse.beat())?))
            }
            Request::Nothing => Ok(None),
        }
    }
}
