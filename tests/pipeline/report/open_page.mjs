// Opens a page in Chromium as people do, and says as JSON what a test should know.
// node open_page.mjs MODULES CHROMIUM PAGE PDF
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, executablePath, page, pdf] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + "/"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await puppeteer.launch({ executablePath, pipe: true, args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage();
const found = { console: [], fetched: [], dialogs: 0, views: [] };
tab.on("console", (message) => found.console.push(message.text()));
tab.on("pageerror", (error) => found.console.push(String(error)));
tab.on("dialog", async (dialog) => { found.dialogs += 1; await dialog.dismiss(); });
tab.on("request", (request) => found.fetched.push(request.url()));
await tab.evaluateOnNewDocument(() => {
  document.addEventListener("securitypolicyviolation", (event) => console.error(event.violatedDirective));
});
for (const scheme of ["light", "dark"]) {
  for (const width of [390, 1280]) {
    await tab.setViewport({ width, height: 900, deviceScaleFactor: 1 });
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await tab.goto(pathToFileURL(page).href);
    const view = await tab.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      client: document.documentElement.clientWidth,
      h1: document.querySelectorAll("h1").length,
      unnamed: [...document.querySelectorAll("svg")].filter((svg) =>
        !svg.getAttribute("aria-label") && !svg.querySelector("title")).length,
      figures: document.querySelectorAll("svg").length,
      paint: getComputedStyle(document.body).backgroundColor,
    }));
    await tab.evaluate(axe);  // by the protocol, so that the page's policy does not matter
    const result = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    view.violations = result.violations.map((each) =>
      `${each.id}: ${each.nodes.slice(0, 4).map((node) => node.html.slice(0, 150) + " " + node.failureSummary).join(" | ")}`);
    found.views.push({ scheme, width, ...view });
  }
}
writeFileSync(pdf, await tab.pdf({ format: "A4" }));
await browser.close();
console.log(JSON.stringify(found));
