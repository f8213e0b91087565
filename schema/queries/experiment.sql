-- A/B tests: does another share of the visits reach the goal than in the first variant, by more than chance?
-- `margin` is the 95 % margin of `difference`, in points: of chance, of the noise of all four numbers, and of several visits of one
-- visitor. With several variants it is wider. So of experiments without an effect one in twenty at most shows `differs`.
WITH
    (SELECT sum(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise,
    (SELECT 1 + 3 * greatest(0, 1 - sum(visitors) / sum(visits)) FROM site
     WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS together,
    (SELECT ceil(sqrt(uniqExact(goal))) FROM experiments
     WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS wide
SELECT experiment, goal, variant, visits, converted, round(100 * converted / visits, 2) AS percent,
       round(100 * converted / visits - 100 * first_converted / first_visits, 2) AS difference,
       round(100 * z * sqrt(together * share * (1 - share) * (1 / visits + 1 / first_visits)
                            + noise * (wide * wide + 4 * share * share) * (1 / pow(visits, 2) + 1 / pow(first_visits, 2))), 2) AS margin,
       multiIf(variant = first_variant, 'the first', least(visits, first_visits) < 10 * sqrt(noise), 'too few visits',
               abs(difference) > margin, 'differs', 'no difference seen') AS verdict
FROM
(
    SELECT experiment, goal, variant, sum(e.visits) AS visits, sum(e.converted) AS converted,
           first_value(variant) OVER variants AS first_variant, first_value(visits) OVER variants AS first_visits,
           first_value(converted) OVER variants AS first_converted,
           least(1, (greatest(0, converted + first_converted) + 2) / greatest(1, visits + first_visits + 4)) AS share,
           [2, 2.28, 2.43, 2.54, 2.62, 2.68, 2.73][least(7, greatest(1, count() OVER (PARTITION BY experiment, goal) - 1))] AS z
    FROM experiments AS e
    WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date} AND variant NOT IN ('', '(other)')
    GROUP BY experiment, goal, variant
    WINDOW variants AS (PARTITION BY experiment, goal ORDER BY variant)
)
ORDER BY experiment, goal, variant
