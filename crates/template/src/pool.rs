//! The threads that run templates, and nothing else.

use crate::error::TemplateError;
use crate::language::language;
use crate::render::{parse, render};
use crate::variables::Variables;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

const THREADS: usize = 2;
/// Address space, of which only what is used costs anything.
const STACK: usize = 64 << 20;
/// How long a template may run, ms. The budget ends most of them long before.
const LONGEST_MS: u64 = 1_000;

type Rendered = Result<String, TemplateError>;

struct Job {
    text: Arc<str>,
    /// `None`: only to be read.
    variables: Option<Variables>,
    stop: Arc<AtomicBool>,
    reply: oneshot::Sender<Rendered>,
}

/// Runs templates. Clones share the threads, which end with the last of them.
#[derive(Clone, Debug)]
pub struct Templates {
    jobs: Sender<Job>,
    /// As many as there are threads: whoever waits does so here, in order.
    free: Arc<Semaphore>,
}

impl Templates {
    pub fn start() -> std::io::Result<Templates> {
        let (jobs, queue) = unbounded();
        for n in 0..THREADS {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("template-{n}")).stack_size(STACK).spawn(move || work(&queue))?;
        }
        Ok(Templates { jobs, free: Arc::new(Semaphore::new(THREADS)) })
    }

    /// Whether the text is a template, without running it.
    pub async fn check(&self, text: &str) -> Result<(), TemplateError> {
        self.run(text, None).await.map(drop)
    }

    /// What the template makes of the variables.
    pub async fn render(&self, text: &str, variables: Variables) -> Rendered {
        self.run(text, Some(variables)).await
    }

    async fn run(&self, text: &str, variables: Option<Variables>) -> Rendered {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| TemplateError::Closed)?;
        let stop = Arc::new(AtomicBool::new(false));
        // Whoever no longer waits for it has no use for it either.
        let _stopped = StopOnDrop(stop.clone());
        let (reply, mut answer) = oneshot::channel();
        let job = Job { text: text.into(), variables, stop: stop.clone(), reply };
        self.jobs.send(job).map_err(|_| TemplateError::Closed)?;
        let answered = match tokio::time::timeout(Duration::from_millis(LONGEST_MS), &mut answer).await {
            Ok(answered) => answered,
            Err(_) => {
                stop.store(true, Ordering::Relaxed);
                // It looks at the flag at each turn, so the thread is free in a moment.
                let _ = answer.await;
                drop(permit);
                return Err(TemplateError::TimedOut(LONGEST_MS));
            }
        };
        drop(permit);
        answered.unwrap_or(Err(TemplateError::Closed))
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn work(queue: &Receiver<Job>) {
    let language = language();
    while let Ok(job) = queue.recv() {
        // The library's arithmetic may overflow, which is the template's failure and not ours.
        let done = catch_unwind(AssertUnwindSafe(|| match job.variables {
            None => parse(&job.text, &language).map(|_| String::new()),
            Some(variables) => render(&job.text, &language, &variables.read()?, job.stop),
        }));
        let failed = || TemplateError::Failed("an operation of the template has no result".into());
        let _ = job.reply.send(done.unwrap_or_else(|_| Err(failed())));
    }
}
