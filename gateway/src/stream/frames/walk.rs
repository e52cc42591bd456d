//! From one frame's head to the next, while bytes pass that are cut anywhere; what frames carry is stepped over. Cost: a
//! few comparisons for each frame.

use super::layout::Head;

/// Where in a frame the bytes stand.
#[derive(Debug)]
pub(crate) struct Walk {
    head: Head,
    /// Bytes of the head that are to come, or of what it announces.
    left: u32,
    within_head: bool,
}

impl Default for Walk {
    /// Before the first frame; a preface is none.
    fn default() -> Self {
        Self { head: Head::default(), left: Head::LENGTH, within_head: true }
    }
}

impl Walk {
    /// Steps over bytes, and calls `frame` with each head whose last byte is among them; its error ends the walk.
    pub(crate) fn pass<E>(&mut self, mut bytes: &[u8], mut frame: impl FnMut(Head) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(self.left as usize));
            bytes = rest;
            if self.within_head {
                self.head.fill(self.left, piece);
            }
            self.left -= piece.len() as u32;
            if self.left == 0 && self.within_head {
                frame(self.head)?;
                (self.within_head, self.left) = (false, self.head.length());
            }
            if self.left == 0 {
                (self.within_head, self.left) = (true, Head::LENGTH);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn heads(pieces: &[&[u8]]) -> Vec<(u8, u8, u32, u32)> {
        let mut heads = Vec::new();
        let mut walk = Walk::default();
        for piece in pieces {
            let Ok(()) = walk.pass(piece, |head| {
                heads.push((head.kind(), head.flags(), head.stream(), head.length()));
                Ok::<_, Infallible>(())
            });
        }
        heads
    }

    proptest! {
        #[test]
        fn every_head_is_found_wherever_the_bytes_are_cut(
            frames in proptest::collection::vec((0u8..12, any::<u8>(), 0u32..1 << 31, 0usize..300), 0..20),
            cuts in proptest::collection::vec(0usize..6000, 0..20),
        ) {
            let mut bytes = Vec::new();
            for (kind, flags, stream, length) in &frames {
                bytes.extend(&(*length as u32).to_be_bytes()[1..]);
                bytes.extend([*kind, *flags]);
                bytes.extend(stream.to_be_bytes());
                // What they carry looks like frames, too.
                bytes.extend((0..*length).map(|at| at as u8));
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let expected: Vec<_> =
                frames.into_iter().map(|(kind, flags, stream, length)| (kind, flags, stream, length as u32)).collect();
            prop_assert_eq!(heads(&pieces), expected);
        }
    }

    #[test]
    fn what_it_is_told_to_end_with_ends_it() {
        let frame = [0, 0, 0, 1, 0, 0, 0, 0, 5];
        let mut seen = 0;
        let walked = Walk::default().pass(&frame.repeat(3), |_| {
            seen += 1;
            if seen == 2 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((walked, seen), (Err("enough"), 2));
    }
}
