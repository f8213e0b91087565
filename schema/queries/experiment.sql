-- A/B tests: in which variant do more visits reach the goal, and is the difference larger than chance?
-- `margin` is the 95 % margin: two variants differ if their ranges do not overlap.
SELECT experiment, goal, variant, sumIf(e.visits, isNotNull(e.converted)) AS visits, sum(e.converted) AS converted,
       round(100 * converted / visits, 2) AS percent,
       round(196 * sqrt(converted / visits * (1 - converted / visits) / visits), 2) AS margin
FROM experiments AS e
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND variant != ''
GROUP BY experiment, goal, variant
ORDER BY experiment, goal, variant
