//! `bench sink`: the least a broker can do. One thread takes requests, checks the CRC of every batch, throws it away and
//! answers. What the generator reaches against it is the ceiling for a broker on one core of this machine, and shows that
//! the generator is not what is measured. Topics are made and deleted; nothing can be read.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Context;
use bytes::{Buf, BytesMut};
use rustix::event::epoll;

use super::affinity;
use super::args::SinkArgs;
use super::sink_answers::SinkAnswers;
use crate::base::limits::MAX_FRAME_BYTES;

/// What a connection can hold at first; it grows with the frames.
const INBOX_BYTES: usize = 64 * 1024;

/// Room for so many of the largest frame, so that what is left of one is seldom moved to the front.
const FRAMES_PER_INBOX: usize = 4;

const EVENTS: usize = 256;
const LISTENER: u64 = u64::MAX;

/// Answers clients until the process is ended.
///
/// # Errors
/// When it can't listen.
pub fn sink(args: &SinkArgs) -> anyhow::Result<()> {
    if let Some(cpu) = args.cpu {
        affinity::stay_on(cpu)?;
    }
    let listener = TcpListener::bind(&args.listen).with_context(|| args.listen.clone())?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    println!("listening on {address}");
    let mut answers = SinkAnswers::new(&address.ip().to_string(), address.port());
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
    let data = epoll::EventData::new_u64;
    epoll::add(&epoll, &listener, data(LISTENER), epoll::EventFlags::IN).context("epoll")?;
    let edge =
        epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
    let over = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e).context("epoll"),
        }
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    let free = clients.iter().position(Option::is_none);
                    let index = free.unwrap_or(clients.len());
                    let client = Client::new(socket)?;
                    epoll::add(&epoll, &client.socket, data(index as u64), edge).context("epoll")?;
                    if index == clients.len() {
                        clients.push(None);
                    }
                    clients[index] = Some(client);
                }
                continue;
            }
            // A copy: the kernel's struct is packed.
            let flags = event.flags;
            let Some(slot) = clients.get_mut(event.data.u64() as usize) else {
                continue;
            };
            let Some(client) = slot else { continue };
            // A client that goes, or says what is not understood, is no reason to end.
            if let Err(error) = client.turn(&mut answers) {
                eprintln!("a connection was closed: {error:#}");
                *slot = None;
            } else if flags.intersects(over) {
                *slot = None;
            }
        }
    }
}

struct Client {
    socket: TcpStream,
    inbox: Vec<u8>,
    /// What of the inbox has come and was not answered.
    here: std::ops::Range<usize>,
    outbox: BytesMut,
}

impl Client {
    fn new(socket: TcpStream) -> std::io::Result<Client> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Client {
            socket,
            inbox: vec![0; INBOX_BYTES],
            here: 0..0,
            outbox: BytesMut::new(),
        })
    }

    /// Takes and answers what is there.
    fn turn(&mut self, answers: &mut SinkAnswers) -> anyhow::Result<()> {
        loop {
            let drained = match self.socket.read(&mut self.inbox[self.here.end..]) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.here.end += count;
                    self.here.end < self.inbox.len()
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => true,
                Err(e) if e.kind() == ErrorKind::Interrupted => false,
                Err(e) => return Err(e).context("reading a request"),
            };
            self.answer(answers)?;
            self.send()?;
            if drained {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, answers: &mut SinkAnswers) -> anyhow::Result<()> {
        let mut wanted = 4;
        while let Some((length, rest)) = self.inbox[self.here.clone()].split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*length)).context("a negative frame length")?;
            anyhow::ensure!(length <= MAX_FRAME_BYTES, "a frame of {length} bytes");
            wanted = 4 + length;
            let Some(frame) = rest.get(..length) else {
                break;
            };
            answers.answer(frame, &mut self.outbox)?;
            self.here.start += wanted;
        }
        // There must be room to read, and for the whole of the next frame.
        if self.here.is_empty() {
            self.here = 0..0;
        }
        if self.here.start + wanted > self.inbox.len() || self.here.end == self.inbox.len() {
            self.inbox.copy_within(self.here.clone(), 0);
            self.here = 0..self.here.len();
            if wanted > self.inbox.len() {
                self.inbox.resize(wanted * FRAMES_PER_INBOX, 0);
            }
        }
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(sent) => self.outbox.advance(sent),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("writing an answer"),
            }
        }
        // The same memory is used again.
        self.outbox.clear();
        Ok(())
    }
}
