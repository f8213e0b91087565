-- In which variant of an experiment do more visits reach a goal?
SELECT experiment, goal, variant, sum(e.visits) AS visits, sum(e.converted) AS converted
FROM experiments AS e
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND variant != ''
GROUP BY experiment, goal, variant
ORDER BY experiment, goal, variant
LIMIT 200
