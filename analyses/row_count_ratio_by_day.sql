-- What would row_count_ratio have measured on each day of 2013? For choosing min_ratio and seasonality:
--   dbt show --select row_count_ratio_by_day --limit 400 --vars 'vigil_demo: true'
with days as (
  select
    cast(range as date) as flight_date,
    (
      select count(*)
      from {{ ref('flights') }} as flights
      where flights.flight_date = cast(range as date)
    ) as flights
  from range(date '2013-01-01', date '2014-01-01', interval 1 day)
),

baselines as (
  select
    flight_date,
    flights,
    sum(flights) over (order by flight_date rows between 7 preceding and 1 preceding) / 7.0 as last_7_days,
    lag(flights, 7) over (order by flight_date) as same_weekday
  from days
)

select
  flight_date,
  flights,
  flights / last_7_days as ratio_to_last_7_days,
  flights / same_weekday as ratio_to_same_weekday
from baselines
where flight_date >= date '2013-01-08'
order by flight_date
