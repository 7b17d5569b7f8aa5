//! Shrinks every picture of a folder into another one, while its workers are being killed.
//!
//! `cargo run --release -p planaria-kernel --example thumbnails -- PICTURES THUMBNAILS`
//!
//! A picture is an item, two workers shrink them. Twenty times one of them is ordered to die, in one way or another: what
//! it held is redelivered, and every thumbnail is made.

use planaria_kernel::*;
use planaria_random::{Purpose, Stream};
use std::{path::PathBuf, sync::Arc, time::Duration};

const SHRINK: StageId = StageId(0);

/// What is to be done, and what could not be. How far it is, the ledger knows.
struct Folder {
    pictures: Vec<PathBuf>,
    failed: Vec<String>,
}

impl Flow for Folder {
    type Input = PathBuf;
    type Output = ();

    fn input(&mut self, _: StageId, item: ItemId) -> PathBuf {
        self.pictures[item.0 as usize].clone()
    }

    fn commit(&mut self, _: StageId, _: ItemId, _: Done<()>, _: &mut Intake<'_>) {}

    fn give_up(&mut self, _: StageId, item: ItemId, cause: &ExitCause, _: &mut Intake<'_>) {
        self.failed.push(format!("{}: {cause}", self.pictures[item.0 as usize].display()));
    }
}

/// Shrinks one picture into a folder. A file that is no picture is an error here, and after three attempts a line in `failed`.
struct Shrinker(PathBuf);

impl Worker<Folder> for Shrinker {
    fn handle(&mut self, _: ItemId, path: PathBuf, pulse: &Pulse) -> Result<(), WorkerError> {
        let failed = |error: image::ImageError| WorkerError::Failed(error.to_string());
        let picture = image::open(&path).map_err(failed)?;
        pulse.beat()?; // it lives; and here, among other places, it may be told to die
        let name = self.0.join(path.file_name().expect("a file has a name"));
        picture.thumbnail(64, 64).to_rgb8().save(name.with_extension("png")).map_err(failed)
    }
}

fn main() {
    let folder = |n| PathBuf::from(std::env::args().nth(n).expect("PICTURES THUMBNAILS"));
    let files = std::fs::read_dir(folder(1)).expect("the folder of pictures can be read");
    let pictures: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    let (n, flow) = (pictures.len(), Folder { pictures, failed: Vec::new() });
    let shrinkers: MakeWorker<Folder> = Arc::new(move |_| Ok(Box::new(Shrinker(folder(2)))));
    let plan = PoolPlan { hang_after_ms: 2_000, ..PoolPlan::new("shrink", 2) };
    actix_rt::System::new().block_on(async {
        // All files are accepted at once: their paths are all that waits.
        let accept = |_: &mut Folder, intake: &mut Intake<'_>| {
            (0..n as u64).for_each(|item| intake.accept(SHRINK, ItemId(item)));
        };
        let supervision = Supervision::default();
        let host = ActixHost::start(vec![plan], supervision, vec![shrinkers], flow, accept)
            .expect("the plan is sound");
        let mut dice = Stream::new(7, Purpose::Chaos, 0, 0);
        for _ in 0..20 {
            let slot = SlotId { stage: SHRINK, index: dice.next_below(2) as u16 };
            host.kill(Target::Worker(slot), Death::ALL[dice.next_below(5) as usize]);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while !host.read(Core::is_empty) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let made = host.read(|core| core.pools()[0].ledger().counts().committed);
        let (failed, deaths) = host.read(|core| (core.flow().failed.clone(), core.failures()));
        println!("{made} thumbnails of {n} files, {deaths} deaths; not made: {failed:#?}");
        host.stop();
        host.ended().await;
    });
}
