//! In a terminal: a picture that is drawn anew twice a second.

use std::{io, time::Duration};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Style, Stylize},
    text::Line,
    widgets::{Block, Cell, Gauge, Paragraph, Row, Sparkline, Table},
};
use rollgate_control::Instance;

use super::{Looks, Tries, numbers::Numbers};

/// Draws until told to end, by a signal, the time, `q` or Ctrl-C; returns the last look. The terminal is as it was
/// afterwards, also after a panic.
pub(super) async fn show(instance: &Instance, tries: &Tries, told: impl Future<Output = ()>) -> io::Result<Numbers> {
    let mut terminal = ratatui::try_init()?;
    let mut told = std::pin::pin!(told);
    let mut looks = Looks::new();
    let mut tick = tokio::time::interval(TICK);
    let mut count = 0u64;
    let shown = loop {
        let ends = tokio::select! {
            _ = tick.tick() => false,
            () = &mut told => true,
        };
        if count.is_multiple_of(LOOK) || ends {
            looks.look(instance);
        }
        count += 1;
        if ends || asks_to_end()? {
            break Ok(looks.window.last.clone());
        }
        if let Err(error) = terminal.draw(|frame| draw(frame, &looks, tries)) {
            break Err(error);
        }
    };
    ratatui::restore();
    shown
}

fn asks_to_end() -> io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()? {
            let interrupts = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if interrupts || key.code == KeyCode::Char('q') {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn draw(frame: &mut Frame<'_>, looks: &Looks, tries: &Tries) {
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
    frame.render_widget(Line::from(" Rollgate: who gets which version").bold(), head);
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
        ];
        Row::new(cells)
    });
    let widths = [22, 8, 8, 8, 10, 8].map(Constraint::Length);
    Table::new(rows, widths)
        .header(Row::new(["service", "req/s", "target", "actual", "requests", "errors"]).bold())
        .block(Block::bordered().title(" services "))
}

/// The canary's share of the split, as it was drawn in the last minute.
fn canary(looks: &Looks) -> Gauge<'_> {
    let canary = looks.window.last.services.iter().find(|(name, _)| name.ends_with("canary"));
    let share = canary.and_then(|(_, service)| service.actual).unwrap_or_default();
    Gauge::default()
        .block(Block::bordered().title(" canary's share of pro.coding, last minute "))
        .gauge_style(Style::new().fg(Color::Yellow))
        .ratio(share.clamp(0.0, 1.0))
}

/// Keys are looked at so often.
const TICK: Duration = Duration::from_millis(100);
/// The metrics are looked at every so many ticks.
const LOOK: u64 = 10;
