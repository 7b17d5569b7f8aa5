//! What does an item cost on its way through a pool, when there is nothing to do for it?
//!
//! `cargo bench -p planaria-kernel --bench overhead`

mod line;

use line::*;
use planaria_kernel::Pulse;
use std::{hint::black_box, time::Duration};

const ROUNDS: usize = 7;

/// Wall clock and processor nanoseconds an item, of `items` empty ones.
fn empty_items(workers: u16, items: u64) -> (f64, f64) {
    let (wall, processor) = (now(), processor_time());
    actix_rt::System::new().block_on(async {
        let host = start(plans(1, workers), vec![mixer()], items);
        done(&host).await;
        end(&host).await;
    });
    let processor = processor_time() - processor;
    let per_item = |time: Duration| time.as_nanos() as f64 / items as f64;
    (per_item(wall.elapsed()), per_item(processor))
}

/// The time that items of 1 ms take, as a multiple of what their work alone would.
fn items_of_a_millisecond(workers: u16, items: u64) -> f64 {
    actix_rt::System::new().block_on(async {
        let work = maker(|_, input, _| {
            spin(Duration::from_millis(1));
            Ok(mix(input))
        });
        // The start of the threads is not what is asked for: measured from the first commits on.
        let host = start(plans(1, workers), vec![work], items);
        while host.read(|core| core.flow().arrived_below) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let look = || host.read(|core| (now(), core.flow().busy));
        let (began, busy) = look();
        while host.read(|core| core.flow().arrived_below) < items - 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (ended, busy_then) = look();
        done(&host).await;
        end(&host).await;
        let ideal = (busy_then - busy).as_secs_f64() / f64::from(workers);
        (ended - began).as_secs_f64() / ideal
    })
}

fn main() {
    let rounds = |measure: &dyn Fn() -> (f64, f64)| {
        let (wall, processor): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| measure()).unzip();
        println!("    wall {wall:.0?}\n    processor {processor:.0?}");
        (median(wall), median(processor))
    };
    for workers in [1, 2] {
        let (wall, processor) = rounds(&|| empty_items(workers, 1_000_000));
        println!(
            "empty items, {workers} worker(s), window 2: {wall:.0} ns an item, {processor:.0} ns of processor"
        );
    }
    for workers in [1, 2] {
        let ratios: Vec<_> = (0..5).map(|_| items_of_a_millisecond(workers, 1_000)).collect();
        println!("    {ratios:.4?}");
        println!("items of 1 ms, {workers} worker(s): {:.4} x ideal", median(ratios));
    }
    let pulse = Pulse::default();
    let beats = 200_000_000_u64;
    let began = now();
    for _ in 0..beats {
        let _ = black_box(black_box(&pulse).beat());
    }
    let each = began.elapsed().as_nanos() as f64 / beats as f64;
    println!("a heartbeat and look for orders: {each:.2} ns");
}
