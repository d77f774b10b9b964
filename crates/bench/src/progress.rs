//! Bars on standard error, where that is a terminal.

use crate::board::Board;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Shows a phase until it is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Progress {
    /// Follows `board` for a phase that posts for `lasts`, or until the board is full.
    pub fn start(name: &str, board: Arc<Board>, lasts: Option<Duration>) -> Progress {
        let length = lasts.map_or(board.capacity(), |lasts| lasts.as_secs());
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template("{prefix:9} {bar:24} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        let shown = bar.clone();
        let task = tokio::spawn(async move {
            loop {
                let position = if lasts.is_some() { shown.elapsed().as_secs() } else { board.accepted_count() };
                shown.set_position(position.min(length));
                shown.set_message(format!("{} accepted, {} arrived", board.accepted_count(), board.arrived_count()));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Progress { bar, task }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}
