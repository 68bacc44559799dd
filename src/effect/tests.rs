//! Periods, series, the numbers of the method, and made-up mends.

mod estimates;
mod hours;
mod periods;
mod trials;
