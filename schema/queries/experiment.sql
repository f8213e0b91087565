-- A/B tests: in which variant do more visits reach the goal, and is the difference larger than chance?
-- `margin` is the 95 % margin, of chance and of the noise of both numbers: two variants differ if their ranges do not overlap.
WITH (SELECT sum(sigma * sigma) FROM publications
      WHERE site = {site:String}
        AND window_start >= toDateTime({from:Date}, {zone:String})
        AND window_start < toDateTime({to:Date}, {zone:String})) AS noise
SELECT experiment, goal, variant, sum(e.visits) AS visits, sum(e.converted) AS converted,
       round(100 * converted / visits, 2) AS percent,
       round(196 * sqrt(greatest(0, converted / visits * (1 - converted / visits)) / visits
                        + noise * (1 + pow(converted / visits, 2)) / pow(visits, 2)), 2) AS margin
FROM experiments AS e
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND variant != ''
GROUP BY experiment, goal, variant
ORDER BY experiment, goal, variant
