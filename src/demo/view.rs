//! In a terminal: a picture that is drawn anew each second.

use std::{io, time::Duration};

use crossterm::event::Event;
use ratatui::{
    DefaultTerminal, Frame,
    layout::{Constraint, Layout},
    style::{Color, Style, Stylize},
    text::Line,
    widgets::{Block, Cell, Gauge, Paragraph, Row, Sparkline, Table},
};
use rollgate_control::Instance;
use tokio::signal::unix::{SignalKind, signal};

use super::{Looks, Tries, numbers::Numbers, story::Story};
use crate::terminal;

/// Draws until told to end, by a signal, the time, `q`, Ctrl-C or the terminal's end; returns the last look. The terminal
/// is as it was afterwards, also after a panic.
pub(super) async fn show(
    instance: &Instance,
    tries: &Tries,
    story: Story,
    told: impl Future<Output = ()>,
) -> io::Result<Numbers> {
    // A terminal that is closed tells so once; drawing and reading may not notice.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminal = terminal::open()?;
    let shown = draw_until(&mut terminal, instance, (tries, story), async {
        tokio::select! {
            () = told => {}
            _ = hangup.recv() => {}
        }
    })
    .await;
    terminal::close(terminal);
    shown
}

async fn draw_until(
    terminal: &mut DefaultTerminal,
    instance: &Instance,
    (tries, story): (&Tries, Story),
    told: impl Future<Output = ()>,
) -> io::Result<Numbers> {
    let mut told = std::pin::pin!(told);
    let mut events = terminal::events()?;
    let mut looks = Looks::new();
    let mut second = tokio::time::interval(LOOK);
    loop {
        let ends = tokio::select! {
            _ = second.tick() => {
                looks.look(instance);
                false
            }
            event = events.recv() => event.as_ref().is_none_or(asks_to_end),
            () = &mut told => true,
        };
        if ends {
            looks.look(instance);
            return Ok(looks.window.last);
        }
        terminal.draw(|frame| draw(frame, &looks, tries, story.caption()))?;
    }
}

fn asks_to_end(event: &Event) -> bool {
    matches!(event, Event::Key(key) if terminal::asks_to_end(key))
}

fn draw(frame: &mut Frame<'_>, looks: &Looks, tries: &Tries, caption: &str) {
    let services = looks.window.last.services.len() as u16;
    let [head, rates, table, split, lines, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Length(services + 3),
        Constraint::Length(3),
        Constraint::Length(tries.lines.len() as u16 + 2),
        Constraint::Min(1),
    ])
    .areas(frame.area());
    frame.render_widget(Line::from(format!(" Rollgate: who gets which version; {caption}")).bold(), head);
    let total = format!(" {:.0} requests per second ", looks.window.total_rate());
    let spark = Sparkline::default().data(&looks.window.history).style(Style::new().fg(Color::Cyan));
    frame.render_widget(spark.block(Block::bordered().title(total)), rates);
    frame.render_widget(services_table(looks), table);
    frame.render_widget(canary(looks), split);
    let text: Vec<Line<'_>> = tries.lines.iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" try ")), lines);
    frame.render_widget(Line::from(" q or Ctrl-C ends it in order").dim(), foot);
}

fn services_table(looks: &Looks) -> Table<'_> {
    let percent = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{:.1}%", share * 100.0));
    let rows = looks.window.last.services.iter().map(|(name, service)| {
        let rate = looks.window.rates.get(name).copied().unwrap_or_default();
        let errors = Cell::from(service.errors.to_string());
        let errors = if service.errors > 0 { errors.style(Style::new().fg(Color::Red)) } else { errors };
        let cells = [
            Cell::from(name.as_str()),
            Cell::from(format!("{rate:.0}")),
            Cell::from(percent(service.target)),
            Cell::from(percent(service.actual)),
            Cell::from(service.requests.to_string()),
            errors,
            breaker(service.breaker.as_deref().unwrap_or_default()),
        ];
        Row::new(cells)
    });
    let widths = [20, 6, 7, 7, 9, 7, 11].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(["service", "req/s", "target", "minute", "requests", "errors", "breaker"]).bold())
        .block(Block::bordered().title(" services "))
}

fn breaker(state: &str) -> Cell<'_> {
    let colour = match state {
        "tripped" => Color::Red,
        "recovering" => Color::Yellow,
        _ => Color::Green,
    };
    Cell::from(state).style(Style::new().fg(colour))
}

/// The canary's share of the split, of the requests since the last look.
fn canary(looks: &Looks) -> Gauge<'_> {
    let canary = looks.window.shares.iter().find(|(name, _)| name.ends_with("canary"));
    let share = canary.map(|(_, share)| *share).unwrap_or_default();
    Gauge::default()
        .block(Block::bordered().title(" canary's share of pro.coding, last second "))
        .gauge_style(Style::new().fg(Color::Yellow))
        .ratio(share.clamp(0.0, 1.0))
}

/// The metrics are looked at so often.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    const TEXT: &str = "\
traefik_service_requests_total{code=\"200\",service=\"k8s-flask@file\"} 90
traefik_service_requests_total{code=\"200\",service=\"k8s-flask-canary@file\"} 9
traefik_service_requests_total{code=\"503\",service=\"k8s-flask-canary@file\"} 3
rollgate_version_share{kind=\"target\",service=\"pro@file\",version=\"k8s-flask-canary@file\"} 0.1
rollgate_version_share{kind=\"actual\",service=\"pro@file\",version=\"k8s-flask-canary@file\"} 0.125
rollgate_version_share{kind=\"target\",service=\"pro@file\",version=\"k8s-flask@file\"} 0.9
rollgate_version_requests_total{outcome=\"ok\",service=\"pro@file\",version=\"k8s-flask@file\"} 95
rollgate_version_requests_total{outcome=\"error\",service=\"pro@file\",version=\"k8s-flask-canary@file\"} 5
rollgate_circuit_breaker_state{middleware=\"breaker@file\",service=\"k8s-flask-canary@file\",state=\"tripped\"} 1
rollgate_circuit_breaker_state{middleware=\"breaker@file\",service=\"k8s-flask@file\",state=\"standby\"} 1
";

    fn drawn(width: u16, height: u16, text: &str) -> Terminal<TestBackend> {
        let mut looks = Looks::new();
        looks.window.push(Numbers::read(text), Duration::from_secs(1));
        let tries = Tries { web: ([127, 0, 0, 1], 8000).into(), lines: vec!["curl http://127.0.0.1:8000/".to_owned()] };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &looks, &tries, "the canary fails")).unwrap();
        terminal
    }

    #[test]
    fn the_screen() {
        insta::assert_snapshot!(drawn(80, 24, TEXT).backend());
    }

    #[test]
    fn it_draws_at_every_size_and_before_there_is_a_number() {
        for (width, height) in [(1, 1), (10, 3), (30, 12), (200, 60)] {
            for text in ["", TEXT, &TEXT.replace("0.125", "NaN")] {
                drawn(width, height, text);
            }
        }
    }

    #[test]
    fn only_a_key_ends_it() {
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        assert!(asks_to_end(&key(KeyCode::Char('q'))));
        assert!(!asks_to_end(&key(KeyCode::Esc)) && !asks_to_end(&Event::Resize(80, 24)));
    }
}
