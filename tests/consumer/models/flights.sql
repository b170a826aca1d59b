-- Sixty days of fifty flights a day until 9 February 2013, half an hour apart, with some planes that are not on file.
select
  concat('N', cast(flight as {{ dbt.type_string() }})) as tailnum,
  cast((flight * 7 + day * 3) % 60 as double) as dep_delay,
  cast('2012-12-12' as {{ 'timestamp_ntz' if target.type == 'spark' else 'timestamp' }})
  + interval '1' minute * (day * 1440 + flight * 28) as sched_dep_at
from range(60) as days(day)
cross join range(50) as flights(flight)
