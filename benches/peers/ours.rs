//! Planaria's kernel: two stages of one worker each; what the first makes goes to the second.

use planaria_kernel::{
    ActixHost, Done, ExitCause, Flow, Intake, Intensity, ItemId, MakeWorker, PoolPlan, Pulse,
    Sharing, SlotId, StageId, Strategy, Supervision, Worker, WorkerError,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

const SOURCE: StageId = StageId(0);
const SINK: StageId = StageId(1);

struct Numbers {
    messages: u64,
    accepted: u64,
    arrived: u64,
    done: watch::Sender<bool>,
}

impl Numbers {
    fn admit(&mut self, intake: &mut Intake<'_>) {
        let room = intake.oldest_unfinished(SINK).0 + intake.mailbox(SINK);
        intake.raise_limit(SOURCE, ItemId(room));
        let room = intake.oldest_unfinished(SOURCE).0 + intake.mailbox(SOURCE);
        while self.accepted < self.messages.min(room) {
            intake.accept(SOURCE, ItemId(self.accepted));
            self.accepted += 1;
        }
        if self.arrived == self.messages {
            self.done.send_replace(true);
        }
    }
}

impl Flow for Numbers {
    type Input = u64;
    type Output = u64;

    fn input(&mut self, _: StageId, item: ItemId) -> u64 {
        item.0
    }

    fn commit(&mut self, stage: StageId, item: ItemId, _: Done<u64>, intake: &mut Intake<'_>) {
        match stage {
            SOURCE => intake.accept(SINK, item),
            _ => self.arrived += 1,
        }
        self.admit(intake);
    }

    fn give_up(&mut self, _: StageId, item: ItemId, cause: &ExitCause, _: &mut Intake<'_>) {
        panic!("nobody fails: {item:?}, {cause}");
    }
}

struct Passer;

impl Worker<Numbers> for Passer {
    fn handle(&mut self, _: ItemId, input: u64, _: &Pulse) -> Result<u64, WorkerError> {
        Ok(input)
    }
}

pub fn two_stages(messages: u64) -> Duration {
    run(messages, crate::MAILBOX as u64, crate::WINDOW as u16)
}

pub fn two_stages_wide(messages: u64) -> Duration {
    run(messages, 1024, 32)
}

fn run(messages: u64, mailbox: u64, window: u16) -> Duration {
    let intensity =
        Intensity { restarts_max: 5, window_ms: 60_000, backoff_min_ms: 0, backoff_max_ms: 100 };
    let plan = |name| PoolPlan {
        name,
        workers: 1,
        window,
        mailbox,
        shards: 64,
        sharing: Sharing::IdleSlotsHelp,
        hang_after_ms: 30_000,
        attempts_max: 3,
        strategy: Strategy::OneForOne,
        intensity: intensity.clone(),
    };
    let supervision = Supervision { intensity: intensity.clone(), abandoned_threads_max: 4 };
    let maker: MakeWorker<Numbers> = Arc::new(|_: SlotId| Ok(Box::new(Passer)));
    let flow = Numbers { messages, accepted: 0, arrived: 0, done: watch::Sender::new(false) };
    let plans = vec![plan("source"), plan("sink")];
    actix_rt::System::new().block_on(async {
        let began = Instant::now();
        let host = ActixHost::start(plans, supervision, vec![maker; 2], flow, Numbers::admit)
            .expect("sound");
        let mut done = host.read(|core| core.flow().done.subscribe());
        done.wait_for(|done| *done).await.expect("the flow lives");
        let took = began.elapsed();
        host.stop();
        host.ended().await;
        took
    })
}
