//! Periods, series, the numbers of the method, made-up mends, and short ones.

mod estimates;
mod few;
mod hours;
mod periods;
mod trials;
