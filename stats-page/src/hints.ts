/** What the page says of a number when it is pointed at, in English, Russian and Kazakh: `h_` and the name of its column. */

export const HINTS = {
  h_views: ["Showings of pages.", "Показы страниц.", "Беттердің көрсетілуі."],
  h_visits: [
    "Views of one visitor without a pause of 30 minutes, within one day.",
    "Просмотры одного посетителя без паузы в 30 минут, в пределах дня.",
    "Бір келушінің 30 минуттық үзіліссіз, бір күн ішіндегі қаралымдары.",
  ],
  h_visitors: [
    "Browsers whose cookie came back, each once a day. One that comes on two days counts twice.",
    "Браузеры, вернувшие cookie, каждый раз в день. Пришедший в два дня считается дважды.",
    "Cookie қайтарған браузерлер, әрқайсысы күніне бір рет. Екі күн келген екі рет саналады.",
  ],
  h_new_visitors: [
    "Visitors with their first visit ever, as far as cookies remember.",
    "Посетители с первым визитом, насколько помнят cookie.",
    "Cookie есінде қалғанша, алғаш рет келгендер.",
  ],
  h_bounces: [
    "Visits of one view with less than ten seconds of engaged time.",
    "Визиты из одного просмотра, где внимание длилось менее десяти секунд.",
    "Он секундтан аз назар аударылған бір қаралымдық сапарлар.",
  ],
  h_bounce_rate: [
    "Bounces divided by visits.",
    "Отказы, делённые на визиты.",
    "Бас тартуларды сапарларға бөлгені.",
  ],
  h_duration: [
    "Minutes and seconds from the first beacon of a visit to its last. Of one visitor and day ten minutes count.",
    "Минуты и секунды от первого сигнала визита до последнего. На посетителя в день учитывается десять минут.",
    "Сапардың алғашқы белгісінен соңғысына дейінгі минут пен секунд. Бір келушіге күніне он минут есептеледі.",
  ],
  h_engaged: [
    "Minutes and seconds of a visit in which the page was in front and used. Of one visitor and day five minutes count.",
    "Минуты и секунды визита, когда страница была на виду и ею пользовались. На посетителя в день учитывается пять минут.",
    "Сапарда бет алда тұрып, қолданылған минут пен секунд. Бір келушіге күніне бес минут есептеледі.",
  ],
  h_seconds_a_view: [
    "Seconds that the page was in front and used, by views. Grey where the noise is larger than that.",
    "Секунды, когда страница была на виду и ею пользовались, на просмотр. Серым — где шум больше.",
    "Бет алда тұрып қолданылған секунд, бір қаралымға. Шу одан үлкен болса — сұр.",
  ],
  h_unnamed_percent: [
    "The share of the section's views on pages that are too small to be named.",
    "Доля просмотров раздела на страницах, слишком малых, чтобы их назвать.",
    "Бөлім қаралымының атауға тым кіші беттердегі үлесі.",
  ],
  h_rate: [
    "Visits that reached the goal, divided by visits.",
    "Визиты, достигшие цели, делённые на визиты.",
    "Мақсатқа жеткен сапарларды сапарларға бөлгені.",
  ],
  h_devices: [
    "Of how many visitors this is known.",
    "У скольких посетителей это известно.",
    "Бұл қанша келуші туралы белгілі.",
  ],
  h_of_devices: [
    "The share among those visitors for whom this is known. One visitor may have several values, such as languages.",
    "Доля тех, у кого это известно. В списке значений может быть несколько.",
    "Бұл белгілі болғандардың үлесі. Тізімде бірнеше мән болуы мүмкін.",
  ],
  h_views_per_visit: ["Views divided by visits.", "Просмотры на один визит.", "Бір сапарға қаралым."],
  h_converted: [
    "Visits that reached the chosen goal. Choose it above.",
    "Визиты, достигшие выбранной цели. Выберите её выше.",
    "Таңдалған мақсатқа жеткен сапарлар. Оны жоғарыдан таңдаңыз.",
  ],
  h_count_only_views: [
    "Views of browsers that asked not to be measured. They are counted and nothing else is known.",
    "Просмотры браузеров, попросивших их не измерять. Их только сосчитали.",
    "Өлшемеуді сұраған браузерлердің қаралымы. Олар тек саналады.",
  ],
  h_entries: [
    "Visits that began on this page.",
    "Визиты, начавшиеся на этой странице.",
    "Осы беттен басталған сапарлар.",
  ],
  h_last_pages: [
    "Visits whose last view was this page.",
    "Визиты, закончившиеся на этой странице.",
    "Соңғы қаралымы осы бет болған сапарлар.",
  ],
  h_reached: [
    "Visits that took this step and all steps before it.",
    "Визиты, прошедшие этот шаг и все шаги до него.",
    "Осы қадамды және оған дейінгілерді өткен сапарлар.",
  ],
  h_complete: [
    "Whether all of the collector's events of this window were there when it was published.",
    "Все ли события этого окна были у сборщика при публикации.",
    "Жарияланғанда осы терезенің барлық оқиғасы жинағышта болды ма.",
  ],
  h_late: [
    "Events that came after their own window was published. They are in no number.",
    "События, пришедшие после публикации окна. Их нет ни в одном числе.",
    "Терезе жарияланған соң келген оқиғалар. Олар ешбір санда жоқ.",
  ],
  h_sigma: [
    "The standard deviation of the noise of the most useful numbers; others have a multiple of it.",
    "Стандартное отклонение шума самых нужных чисел; у остальных он больше в несколько раз.",
    "Ең керек сандар шуының стандартты ауытқуы; басқаларында ол бірнеше есе көп.",
  ],
  h_folded_percent: [
    "The share of the views whose name was too small to show.",
    "Доля просмотров, имя которых слишком мало, чтобы его показать.",
    "Атауы көрсетуге тым кіші қаралымдардың үлесі.",
  ],
  h_verdict: [
    "Whether the rate differs from that of the first variant by more than chance and noise. Of experiments without an effect one in twenty at most seems to.",
    "Отличается ли конверсия от первого варианта больше, чем от случая и шума. Из экспериментов без эффекта так кажется не более чем в одном из двадцати.",
    "Конверсия алғашқы нұсқадан кездейсоқтық пен шудан артық өзгеше ме. Әсері жоқ жиырма тәжірибенің ең көбі біреуінде солай көрінеді.",
  ],
  h_share: ["Of what is shown here.", "От показанного здесь.", "Осында көрсетілгеннен."],
} satisfies Record<string, [string, string, string]>;
