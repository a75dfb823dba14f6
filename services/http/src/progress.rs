//! The phase that a connection is in, noted by what passes through it: bytes, requests, answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// See [`connection`](crate::connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the first request.
    First,
    /// Between two requests.
    Idle,
    /// Some of a further request's head is there.
    Head,
    /// An answer is made and sent.
    Answering,
    /// All of an answer is made, and not all of it is with the system.
    Sending,
    /// The system's clock shows what no date of HTTP can say.
    NoDate,
}

const PHASES: [Phase; 6] = [Phase::First, Phase::Idle, Phase::Head, Phase::Answering, Phase::Sending, Phase::NoDate];

/// Shared by the connection, its socket and its answers. All of them are polled by one task.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: AtomicU8,
    turn: AtomicU64,
}

impl Progress {
    pub(crate) fn phase(&self) -> Phase {
        PHASES.get(usize::from(self.phase.load(Relaxed))).copied().unwrap_or(Phase::NoDate)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let at = PHASES.iter().position(|known| *known == phase).unwrap_or(0);
        self.phase.store(at as u8, Relaxed);
        if phase == Phase::Answering {
            self.turn.fetch_add(1, Relaxed);
        }
    }

    /// The number of the request, from 1.
    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Relaxed)
    }

    fn change(&self, from: Phase, to: Phase) {
        if self.phase() == from {
            self.enter(to);
        }
    }

    /// Notes the end of an answer when it is dropped.
    pub(crate) fn answered_when_dropped(self: Arc<Self>) -> Answered {
        Answered(self)
    }
}

pub(crate) struct Answered(Arc<Progress>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.change(Phase::Answering, Phase::Sending);
    }
}

/// A socket that notes what passes through it.
pub(crate) struct Watched<I> {
    io: I,
    progress: Arc<Progress>,
}

impl<I> Watched<I> {
    pub(crate) fn new(io: I, progress: Arc<Progress>) -> Watched<I> {
        Watched { io, progress }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.change(Phase::Idle, Phase::Head);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() {
            // hyper flushes when it has written everything it had.
            self.progress.change(Phase::Sending, Phase::Idle);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
