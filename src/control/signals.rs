//! SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::control::run_control::StopRequest;
use crate::rt::{self, mailbox};

/// What a shell reports for a process that SIGINT has ended.
const EXIT_CODE_AT_ONCE: i32 = 130;

/// Listens for signals from now on; the receiver gets the first of them. Call it on the control thread, inside its executor.
pub fn stop_signals() -> io::Result<mailbox::Receiver<StopRequest>> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mailbox::channel(1);
    drop(rt::spawn(forward(terminate, interrupt, sender)));
    Ok(receiver)
}

async fn forward(mut terminate: Signal, mut interrupt: Signal, sender: mailbox::Sender<StopRequest>) {
    let name = next(&mut terminate, &mut interrupt).await;
    tracing::info!(
        signal = name,
        "stopping; a second signal ends the process at once"
    );
    let _ = sender.send(StopRequest).await;
    let name = next(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal = name, "ending at once");
    // Nothing is lost by it: what was acknowledged as durable is on disk.
    std::process::exit(EXIT_CODE_AT_ONCE);
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
