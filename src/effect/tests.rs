//! Periods, series, the numbers of the method, made-up mends, short ones, and what is expected of them.

mod estimates;
mod few;
mod hours;
mod periods;
mod prospects;
mod trials;
