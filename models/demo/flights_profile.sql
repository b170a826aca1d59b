{{ vigil.column_profile(
  ref('flights'), timestamp_column='sched_dep_at', columns=['carrier', 'air_time'], history=60
) }}
