use std::sync::mpsc::{self, Receiver as Inlet, Sender};

use jiff::Timestamp;
use occopus_engine::ids::InfraId;

use super::*;

fn event(kind: EventKind, text: &str) -> Event {
    Event::new(InfraId::from("i"), kind, Timestamp::UNIX_EPOCH, text.to_owned())
}

fn all(backlog: &mut Backlog) -> Vec<String> {
    std::iter::from_fn(|| backlog.take()).map(|event| event.message).collect()
}

/// A receiver that takes an event only when it is let to; with what it took.
fn reluctant() -> (Events, Sender<()>, Inlet<String>) {
    let ((let_go, wait), (taken, told)) = (mpsc::channel::<()>(), mpsc::channel());
    let wait = Mutex::new(wait);
    let sink = move |event: &Event| {
        let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let _ = taken.send(event.message.clone());
    };
    (Arc::new(sink), let_go, told)
}

#[test]
fn what_is_left_out_is_the_oldest_progress_and_is_told_once() {
    let mut backlog = Backlog::default();
    backlog.put(event(EventKind::NodeCreating, "first"));
    for number in 0..ROOM {
        backlog.put(event(EventKind::Progress, &number.to_string()));
    }
    backlog.put(event(EventKind::NodeCreated, "last"));
    let told = all(&mut backlog);
    assert!(told[0].starts_with("2 events were left out"), "{}", told[0]);
    assert_eq!((told[1].as_str(), told[2].as_str()), ("first", "2"));
    assert_eq!((told.len(), told[ROOM].as_str()), (ROOM + 1, "last"));
    backlog.put(event(EventKind::Notice, "later"));
    assert_eq!(all(&mut backlog), ["later"], "it is told once");
}

#[test]
fn progress_gives_way_to_what_is_stored() {
    let mut backlog = Backlog::default();
    (0..ROOM).for_each(|number| backlog.put(event(EventKind::Notice, &number.to_string())));
    backlog.put(event(EventKind::Progress, "progress"));
    backlog.put(event(EventKind::InfraReady, "ready"));
    let told = all(&mut backlog);
    assert!(told[0].starts_with("2 events were left out"), "{}", told[0]);
    assert_eq!((told[1].as_str(), told[ROOM].as_str(), told.len()), ("1", "ready", ROOM + 1));
}

#[tokio::test]
async fn a_receiver_that_blocks_holds_nobody_up_and_gets_all_in_order() {
    let (sink, let_go, told) = reluctant();
    let delivery = Delivery::to(sink);
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    // This returns at all: the receiver takes nothing yet.
    texts.iter().for_each(|text| delivery.sink().event(&event(EventKind::Notice, text)));
    assert!(told.try_recv().is_err());
    texts.iter().for_each(|_| let_go.send(()).unwrap_or_default());
    delivery.flush().await;
    assert_eq!(told.try_iter().collect::<Vec<String>>(), texts, "all are received when flush returns");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_blocks_for_good_does_not_keep_an_operation_from_returning() {
    let (sink, let_go, told) = reluctant();
    let delivery = Delivery::to(sink);
    delivery.sink().event(&event(EventKind::Notice, "x"));
    delivery.flush().await;
    assert!(told.try_recv().is_err());
    drop(delivery);
    drop(let_go);
    assert_eq!(told.recv().as_deref(), Ok("x"), "what is left is received later");
}

#[tokio::test]
async fn without_events_there_is_nothing_to_wait_for() {
    Delivery::to(Arc::new(|_: &Event| {})).flush().await;
}
