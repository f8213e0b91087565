-- In which variant of an experiment do more visits reach a goal? The verdict is that of `schema/queries/experiment.sql`: by more than
-- chance and noise, compared with the first variant.
WITH
    (SELECT sum(sigma * sigma) FROM publications
     WHERE site = {site:String}
       AND window_start >= toDateTime({from:Date}, {zone:String})
       AND window_start < toDateTime({to:Date}, {zone:String})) AS noise,
    (SELECT 1 + 3 * greatest(0, 1 - sum(visitors) / sum(visits)) FROM site
     WHERE site = {site:String}
       AND window_start >= toDateTime({from:Date}, {zone:String})
       AND window_start < toDateTime({to:Date}, {zone:String})) AS together,
    (SELECT ceil(sqrt(uniqExact(goal))) FROM experiments
     WHERE site = {site:String}
       AND window_start >= toDateTime({from:Date}, {zone:String})
       AND window_start < toDateTime({to:Date}, {zone:String})) AS wide,
    z * sqrt(together * share * (1 - share) * (1 / visits + 1 / first_visits)
             + noise * (wide * wide + 4 * share * share) * (1 / pow(visits, 2) + 1 / pow(first_visits, 2))) AS margin
SELECT experiment, goal, variant, visits, converted,
       multiIf(variant = first_variant, 'first', least(visits, first_visits) < 10 * sqrt(noise), 'few',
               abs(converted / visits - first_converted / first_visits) > margin, 'differs', 'alike') AS verdict
FROM
(
    SELECT experiment, goal, variant, sum(e.visits) AS visits, sum(e.converted) AS converted,
           first_value(variant) OVER variants AS first_variant, first_value(visits) OVER variants AS first_visits,
           first_value(converted) OVER variants AS first_converted,
           least(1, (greatest(0, converted + first_converted) + 2) / greatest(1, visits + first_visits + 4)) AS share,
           [2, 2.28, 2.43, 2.54, 2.62, 2.68, 2.73][least(7, greatest(1, count() OVER (PARTITION BY experiment, goal) - 1))] AS z
    FROM experiments AS e
    WHERE site = {site:String}
      AND window_start >= toDateTime({from:Date}, {zone:String})
      AND window_start < toDateTime({to:Date}, {zone:String})
      AND variant NOT IN ('', '(other)')
    GROUP BY experiment, goal, variant
    WINDOW variants AS (PARTITION BY experiment, goal ORDER BY variant)
)
ORDER BY experiment, goal, variant
LIMIT 200
