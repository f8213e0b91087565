/** The texts of the page in English, Russian and Kazakh. */
import { HINTS } from "./hints";

export type Language = "en" | "ru" | "kk";
export const LANGUAGES: [Language, string][] = [
  ["en", "English"],
  ["ru", "Русский"],
  ["kk", "Қазақша"],
];

/** [English, Russian, Kazakh] */
type Text = [string, string, string];

const WORDS = {
  title: ["Statistics", "Статистика", "Статистика"],
  sign_in: ["Sign in", "Войти", "Кіру"],
  sign_out: ["Sign out", "Выйти", "Шығу"],
  account: ["Account", "Учётная запись", "Тіркелгі"],
  password: ["Password", "Пароль", "Құпиясөз"],
  site: ["Site", "Сайт", "Сайт"],
  from: ["From", "С", "Басы"],
  to: ["To", "По", "Соңы"],
  period: ["Period", "Период", "Кезең"],
  last: ["Last {n} days", "Последние дни: {n}", "Соңғы {n} күн"],
  compare: ["Compare with", "Сравнить", "Салыстыру"],
  compare_no: ["nothing", "не сравнивать", "салыстырмау"],
  compare_before: ["the period before", "с прошлым периодом", "алдыңғы кезеңмен"],
  compare_year: ["the year before", "с прошлым годом", "өткен жылмен"],
  goal: ["Goal", "Цель", "Мақсат"],
  language: ["Language", "Язык", "Тіл"],
  theme: ["Theme", "Тема", "Тақырып"],
  theme_auto: ["as the system", "как в системе", "жүйедегідей"],
  theme_light: ["light", "светлая", "ашық"],
  theme_dark: ["dark", "тёмная", "қараңғы"],
  loading: ["Loading…", "Загрузка…", "Жүктелуде…"],
  more: ["Show all {n}", "Показать все: {n}", "Барлығын көрсету: {n}"],
  less: ["Show less", "Свернуть", "Жию"],
  copy: ["Copy", "Копировать", "Көшіру"],
  close: ["Close", "Закрыть", "Жабу"],
  to_content: ["To the numbers", "К показателям", "Көрсеткіштерге өту"],
  empty: [
    "Nothing to show. Either nothing happened, or too few visitors did it: what fewer than ten did is never shown.",
    "Показать нечего: либо ничего не было, либо посетителей слишком мало. То, что сделали менее десяти человек, не показывается никогда.",
    "Көрсететін ештеңе жоқ: не ештеңе болған жоқ, не келушілер тым аз. Оннан аз адам жасаған нәрсе ешқашан көрсетілмейді.",
  ],
  no_site: [
    "Nothing is published for this account yet. A day is published after it has ended.",
    "Для этой учётной записи ещё ничего не опубликовано. День публикуется после того, как закончится.",
    "Бұл тіркелгі үшін әлі ештеңе жарияланған жоқ. Күн аяқталғаннан кейін жарияланады.",
  ],
  few: ["few", "мало", "аз"],
  ways_in: ["From", "Откуда", "Қайдан"],
  ways_out: ["To", "Куда", "Қайда"],
  way_entry: ["begins here", "начало визита", "сапар басы"],
  way_end: ["ends here", "конец визита", "сапар соңы"],
  ways_note: [
    "Visits. Choose a page to see its ways; ways of few are hidden.",
    "Визиты. Выберите страницу, чтобы увидеть её пути; редкие пути скрыты.",
    "Сапарлар. Бетті таңдаңыз, жолдары көрінеді; сирек жолдар жасырын.",
  ],
  map_note: [
    "Regions of Kazakhstan, each about where it lies. “Few” is hidden: not zero, but too few to show.",
    "Регионы Казахстана, каждый примерно на своём месте. «Мало» скрыто: это не ноль, а слишком мало для показа.",
    "Қазақстан өңірлері, әрқайсысы шамамен өз орнында. «Аз» жасырын: нөл емес, көрсетуге тым аз.",
  ],
  noise_about: [
    "With noise: ±{n}, 19 times of 20.",
    "С шумом: ±{n} в 19 случаях из 20.",
    "Шуы бар: 20 жағдайдың 19-ында ±{n}.",
  ],
  noise_whole: [
    "Too few to divide by: the noise is as large.",
    "Слишком мало, чтобы делить: шум не меньше.",
    "Бөлуге тым аз: шу да сондай үлкен.",
  ],
  seconds: ["{n} s", "{n} с", "{n} с"],
  hidden: ["hidden (few)", "скрыто (мало)", "жасырын (аз)"],
  other: ["other", "прочее", "басқа"],
  other_is: [
    "All others together: each is too small to show.",
    "Всё остальное вместе: по отдельности слишком мало.",
    "Қалғандары бірге: әрқайсысы көрсетуге тым аз.",
  ],
  order_is: [
    "The rows are in the order of this number. Of many alike, noise chooses the first: their numbers are too high more often than too low.",
    "Строки идут по этому числу. Из многих похожих первые выбирает шум: их числа чаще завышены, чем занижены.",
    "Жолдар осы сан бойынша реттелген. Ұқсастардың көбінен алғашқыларын шу таңдайды: олардың саны көбіне артық.",
  ],
  no_before: [
    "Not compared: the numbers do not reach back so far.",
    "Без сравнения: числа не доходят так далеко назад.",
    "Салыстырылмады: сандар ол кезеңге жетпейді.",
  ],
  no_notes: [
    "The annotations have a mistake and are not shown. `tamga config check` says which.",
    "В примечаниях ошибка, они не показаны. Какая — скажет `tamga config check`.",
    "Ескертпелерде қате бар, олар көрсетілмеді. Қандай екенін `tamga config check` айтады.",
  ],
  notes: ["What happened", "Что произошло", "Не болды"],
  none: ["(none)", "(нет)", "(жоқ)"],
  yes: ["yes", "да", "иә"],
  no: ["no", "нет", "жоқ"],
  below_zero: [
    "Noise alone takes it below 0: the true number is 0 or a little more.",
    "Ниже нуля — только из-за шума: на деле ноль или немного больше.",
    "Нөлден төмен — тек шудан: шын мәнінде нөл не сәл көп.",
  ],
  guide: ["How to read these numbers", "Как читать эти числа", "Бұл сандарды қалай оқу керек"],
  guide_noise: [
    "Each number has a little noise, so that nobody can be found in it. What is grey may be noise alone, and so it may be below 0. “Hidden (few)” is not 0: what fewer than ten visitors did is not shown. Point at a number, and it says how wide its noise is.",
    "В каждом числе есть немного шума, чтобы по нему нельзя было найти человека. Серое может быть одним шумом, поэтому бывает и ниже нуля. «Скрыто (мало)» — это не ноль: что сделали менее десяти посетителей, не показано. Наведите на число, и оно скажет, насколько широк его шум.",
    "Әр санда аздап шу бар, сондықтан одан ешкімді табуға болмайды. Сұр сан шудың өзі болуы мүмкін, сондықтан нөлден төмен де болады. «Жасырын (аз)» нөл емес: оннан аз келуші жасағаны көрсетілмейді. Санды меңзесеңіз, шуы қаншалықты екенін айтады.",
  ],
  print: ["Print", "Печать", "Басып шығару"],
  sql_is: [
    "The statement behind this panel.",
    "Запрос, по которому построена панель.",
    "Осы панельдің сұрауы.",
  ],
  csv_is: [
    "All rows of this panel as a file for a spreadsheet.",
    "Все строки панели файлом для таблиц.",
    "Панельдің барлық жолы кестеге арналған файл ретінде.",
  ],
  cohort_note: [
    "The columns are weeks since the first visit. A row has the shares of its week's visitors; what is grey may be noise alone.",
    "Столбцы — недели с первого визита. В строке доли посетителей этой недели; серое может быть одним шумом.",
    "Бағандар — алғашқы сапардан бергі апталар. Жолда сол аптадағы келушілердің үлестері; сұр сан шудың өзі болуы мүмкін.",
  ],
  hours_note: [
    "Views on such weekdays of the period together. The stronger the colour, the more.",
    "Просмотры за такие дни недели всего периода. Чем гуще цвет, тем больше.",
    "Кезеңдегі осындай апта күндерінің қаралымы бірге. Неғұрлым қанық болса, соғұрлым көп.",
  ],
  within_noise: [
    "The change is within the noise: it may be none.",
    "Изменение в пределах шума: возможно, его нет.",
    "Өзгеріс шу шегінде: ол болмауы да мүмкін.",
  ],
  noise_is: [
    "With noise: the true number is within ±{n} of it 19 times of 20.",
    "С шумом: в 19 случаях из 20 истинное число отличается не более чем на ±{n}.",
    "Шуы бар: 20 жағдайдың 19-ында нақты сан ±{n} шегінде болады.",
  ],
  was: ["was {n}", "было {n}", "бұрын {n}"],
  series_before: ["{name}, before", "{name}, раньше", "{name}, бұрын"],
  incomplete: ["Incomplete days: {n}", "Неполные дни: {n}", "Толық емес күндер: {n}"],
  not_secure: [
    "This connection is not encrypted, so a password could be read on its way. Use ssh -L, or a proxy with TLS.",
    "Соединение не зашифровано, пароль могли бы прочитать по пути. Используйте ssh -L или прокси с TLS.",
    "Байланыс шифрланбаған, құпиясөзді жолда оқып қоюы мүмкін. ssh -L немесе TLS бар прокси қолданыңыз.",
  ],
  who: [
    "The account that `tamga analyst add` made, or `analyst`.",
    "Учётная запись, созданная командой `tamga analyst add`, или `analyst`.",
    "`tamga analyst add` жасаған тіркелгі немесе `analyst`.",
  ],
  about: [
    "Published counts with noise. They tell of no single person, and a name that few visitors share is not shown.",
    "Опубликованные числа с шумом. Они не говорят ни об одном человеке; то, что общее лишь у немногих, не показывается.",
    "Шуы бар жарияланған сандар. Олар жеке адам туралы айтпайды; аз адамға ортақ нәрсе көрсетілмейді.",
  ],
  e_password: ["Wrong name or password.", "Неверное имя или пароль.", "Аты немесе құпиясөз қате."],
  e_session: ["Please sign in.", "Войдите, пожалуйста.", "Кіріңіз."],
  e_guesses: [
    "Too many wrong passwords. Wait a few seconds.",
    "Слишком много неверных паролей. Подождите несколько секунд.",
    "Қате құпиясөз тым көп. Бірнеше секунд күтіңіз.",
  ],
  e_busy: ["The store is busy. Try again.", "Хранилище занято. Повторите.", "Қойма бос емес. Қайталаңыз."],
  e_store: [
    "The stats store does not answer. The collector's log says why.",
    "Хранилище статистики не отвечает. Причина — в журнале сборщика.",
    "Статистика қоймасы жауап бермейді. Себебі жинағыш журналында.",
  ],
  e_network: ["The collector does not answer.", "Сборщик не отвечает.", "Жинағыш жауап бермейді."],
  e_request: ["The request was not understood.", "Запрос не понят.", "Сұрау түсініксіз."],
  e_origin: [
    "The request came from another page.",
    "Запрос пришёл с другой страницы.",
    "Сұрау басқа беттен келді.",
  ],
  again: ["Try again", "Повторить", "Қайталау"],

  v_direct: ["direct", "прямые", "тікелей"],
  v_search: ["search", "поиск", "іздеу"],
  v_ai: ["AI", "ИИ", "ЖИ"],
  v_social: ["social", "соцсети", "әлеуметтік желілер"],
  v_messenger: ["messenger", "мессенджеры", "мессенджерлер"],
  v_email: ["e-mail", "почта", "пошта"],
  v_referral: ["referral", "другие сайты", "басқа сайттар"],
  v_paid: ["paid", "платные", "ақылы"],
  v_campaign: ["campaign", "кампании", "науқандар"],
  v_never: ["never", "никогда", "ешқашан"],
  v_desktop: ["desktop", "компьютер", "компьютер"],
  v_phone: ["phone", "телефон", "телефон"],
  v_tablet: ["tablet", "планшет", "планшет"],
  v_tv: ["TV", "телевизор", "теледидар"],
  v_console: ["console", "приставка", "консоль"],
  v_first: ["the base", "основа сравнения", "салыстыру негізі"],
  v_few: ["too few visits", "слишком мало визитов", "сапар тым аз"],
  v_differs: ["differs", "отличается", "өзгеше"],
  v_alike: ["no difference seen", "разницы не видно", "айырмашылық көрінбейді"],
  v_other: ["other", "другое", "басқа"],

  p_totals: ["At a glance", "Коротко", "Қысқаша"],
  p_days: ["Day by day", "По дням", "Күндер бойынша"],
  p_sources: ["Sources", "Источники", "Көздер"],
  p_pages: ["Pages", "Страницы", "Беттер"],
  p_places: ["Places", "Места", "Орындар"],
  p_clients: ["Browsers and devices", "Браузеры и устройства", "Браузерлер мен құрылғылар"],
  p_goals: ["Goals", "Цели", "Мақсаттар"],
  p_flow: ["From page to page", "Со страницы на страницу", "Беттен бетке"],
  p_hours: ["Hours and weekdays", "Часы и дни недели", "Сағаттар мен апта күндері"],
  p_visits: ["Length of visits", "Длина визитов", "Сапар ұзақтығы"],
  p_returning: ["Returning", "Возвращения", "Қайта келу"],
  p_content: ["Searches, links, errors", "Поиск, ссылки, ошибки", "Іздеу, сілтемелер, қателер"],
  p_trust: ["How far to trust this", "Насколько этому верить", "Бұған қаншалықты сенуге болады"],

  t_today: ["Today", "Сегодня", "Бүгін"],
  t_hours: ["Weekdays", "Дни недели", "Апта күндері"],
  t_channels: ["Channels", "Каналы", "Арналар"],
  t_sources: ["Sources", "Источники", "Көздер"],
  t_campaigns: ["Campaigns", "Кампании", "Науқандар"],
  t_pages: ["Top", "Популярные", "Танымал"],
  t_entries: ["Entry", "Входные", "Кіру"],
  t_last_pages: ["Last", "Последние", "Соңғы"],
  t_sections: ["Sections", "Разделы", "Бөлімдер"],
  t_picture: ["Ways", "Пути", "Жолдар"],
  t_map: ["Map", "Карта", "Карта"],
  t_model: ["Models", "Модели", "Модельдер"],
  t_os_version: ["System versions", "Версии систем", "Жүйе нұсқалары"],
  t_flow: ["Table", "Таблица", "Кесте"],
  t_landings: ["Landings", "Посадочные", "Түсу беттері"],
  t_countries: ["Countries", "Страны", "Елдер"],
  t_regions: ["Regions", "Регионы", "Өңірлер"],
  t_browsers: ["Browsers", "Браузеры", "Браузерлер"],
  t_devices: ["Devices", "Устройства", "Құрылғылар"],
  t_screen: ["Screens", "Экраны", "Экрандар"],
  t_languages: ["Languages", "Языки", "Тілдер"],
  t_provider: ["Providers", "Провайдеры", "Провайдерлер"],
  t_time_zone: ["Time zones", "Часовые пояса", "Уақыт белдеулері"],
  t_goals: ["Goals", "Цели", "Мақсаттар"],
  t_funnels: ["Funnels", "Воронки", "Воронкалар"],
  t_experiments: ["Experiments", "Эксперименты", "Тәжірибелер"],
  t_declared: ["Events", "События", "Оқиғалар"],
  t_length: ["Duration", "Длительность", "Ұзақтық"],
  t_depth: ["Pages", "Страницы", "Беттер"],
  t_recency: ["Last visit", "Прошлый визит", "Алдыңғы сапар"],
  t_retention: ["First visit, by week", "Первый визит, по неделям", "Алғашқы сапар, апталар"],
  t_searches: ["Searches", "Поиск", "Іздеу"],
  t_outbound: ["Links out", "Внешние ссылки", "Сыртқы сілтемелер"],
  t_errors: ["Errors", "Ошибки", "Қателер"],
  t_trust: ["Windows", "Окна", "Терезелер"],
  t_bots: ["Bots", "Боты", "Боттар"],
  t_outcomes: ["Outcomes", "Исходы", "Нәтижелер"],

  views: ["Views", "Просмотры", "Қаралым"],
  visits: ["Visits", "Визиты", "Сапар"],
  visitors: ["Visitors", "Посетители", "Келуші"],
  new_visitors: ["First visits", "Новые", "Жаңа"],
  bounces: ["Bounces", "Отказы", "Бас тарту"],
  bounce_rate: ["Bounce rate", "Доля отказов", "Бас тарту үлесі"],
  duration: ["Duration", "Длительность", "Ұзақтығы"],
  engaged: ["Engaged", "Внимание", "Назар"],
  seconds_a_view: ["Read, s", "Чтение, с", "Оқу, с"],
  section: ["Section", "Раздел", "Бөлім"],
  unnamed_percent: ["Unnamed, %", "Без имени, %", "Атаусыз, %"],
  rate: ["Rate", "Конверсия", "Конверсия"],
  devices: ["Known of", "Известно у", "Белгілі"],
  of_devices: ["Of known", "Из известных", "Белгіліден"],
  views_per_visit: ["Views per visit", "Просмотров за визит", "Сапардағы қаралым"],
  converted: ["Reached", "Достигли", "Жетті"],
  reached: ["Reached", "Дошли", "Жетті"],
  entries: ["Entries", "Входы", "Кіру"],
  last_pages: ["Last page", "Выходы", "Шығу"],
  clicks: ["Clicks", "Клики", "Басу"],
  count: ["Number", "Число", "Саны"],
  count_only_views: ["Not measured", "Не измеряются", "Өлшенбейді"],
  share: ["Share", "Доля", "Үлес"],
  change: ["Change", "Изменение", "Өзгеріс"],
  channel: ["Channel", "Канал", "Арна"],
  source: ["Source", "Источник", "Көз"],
  medium: ["Medium", "Тип", "Түрі"],
  campaign: ["Campaign", "Кампания", "Науқан"],
  path: ["Page", "Страница", "Бет"],
  from_path: ["From", "Откуда", "Қайдан"],
  to_path: ["To", "Куда", "Қайда"],
  way: ["Way", "Путь", "Жол"],
  country: ["Country", "Страна", "Ел"],
  region: ["Region", "Регион", "Өңір"],
  browser: ["Browser", "Браузер", "Браузер"],
  major: ["Version", "Версия", "Нұсқа"],
  device: ["Device", "Устройство", "Құрылғы"],
  os: ["System", "Система", "Жүйе"],
  value: ["Value", "Значение", "Мән"],
  name: ["Name", "Название", "Атауы"],
  funnel: ["Funnel", "Воронка", "Воронка"],
  step: ["Step", "Шаг", "Қадам"],
  experiment: ["Experiment", "Эксперимент", "Тәжірибе"],
  variant: ["Variant", "Вариант", "Нұсқа"],
  verdict: ["Verdict", "Вывод", "Қорытынды"],
  seconds_at_least: ["Seconds, from", "Секунд, от", "Секунд, бастап"],
  pages_of_visit: ["Pages", "Страниц", "Бет саны"],
  absence: ["Days since", "Дней назад", "Күн бұрын"],
  day: ["Day", "День", "Күн"],
  week: ["Week", "Неделя", "Апта"],
  cohort: ["Weeks since first", "Недель с первого", "Алғашқыдан апта"],
  term: ["Search", "Запрос", "Сұрау"],
  domain: ["Domain", "Домен", "Домен"],
  template: ["Message", "Сообщение", "Хабар"],
  reason: ["Sign", "Признак", "Белгі"],
  outcome: ["Outcome", "Исход", "Нәтиже"],
  window_start: ["From (UTC)", "С (UTC)", "Басы (UTC)"],
  window_end: ["To (UTC)", "По (UTC)", "Соңы (UTC)"],
  published_at: ["Published (UTC)", "Опубликовано (UTC)", "Жарияланды (UTC)"],
  complete: ["Complete", "Полное", "Толық"],
  late: ["Late", "Опоздавшие", "Кешіккен"],
  sigma: ["Noise σ", "Шум σ", "Шу σ"],
  folded_percent: ["In “other”, %", "В «прочем», %", "«Басқада», %"],

  ...HINTS,
} satisfies Record<string, Text>;

export type Word = keyof typeof WORDS;

let language: Language = "en";

export const languageNow = () => language;

export function speak(wanted: Language) {
  language = wanted;
  document.documentElement.lang = wanted;
}

/** The visitor's own choice, or what the browser asks for. */
export function preferred(stored: string | null): Language {
  const wanted = [stored ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  return (
    LANGUAGES.map(([code]) => code).find((code) => code === wanted.find((tag) => /^(en|ru|kk)$/.test(tag))) ??
    "en"
  );
}

/** A text, with `{n}` and `{name}` filled in. */
export function say(word: Word, values: Record<string, string> = {}): string {
  const text: Text = WORDS[word];
  const said = text[language === "ru" ? 1 : language === "kk" ? 2 : 0];
  return said.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A text whose name comes from a query, or that name. */
export const sayOf = (name: string): string =>
  name in WORDS ? say(name as Word) : name.replaceAll("_", " ");

/** A word of the store, such as a channel, in the language of the page; or that word. */
export const wordOf = (value: string): string => (`v_${value}` in WORDS ? say(`v_${value}` as Word) : value);

export const explain = (name: string): string => (`h_${name}` in WORDS ? say(`h_${name}` as Word) : "");
