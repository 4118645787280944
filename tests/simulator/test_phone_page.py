"""The page of the phone, in a real browser against a running simulator. Skipped where no Chromium is installed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from simulator.companion_process import CompanionProcess, CompanionSettings
from tests.simulator.phone_fixtures import RunningSimulator
from tests.simulator.phone_fixtures import running_simulator as running_simulator

ANA, BIA = "5511999990001", "5511999990002"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def pick_up(browser: Browser, simulator: RunningSimulator, phone: str, locale: str, name: str) -> Page:
    """A page in its own browser profile, with a phone in hand. An error in its scripts fails the test."""
    context = await browser.new_context(locale=locale)
    page = await context.new_page()
    page.set_default_timeout(30_000)

    def fail(error: Any) -> None:
        raise AssertionError(f"the page's script failed: {error}")

    page.on("pageerror", fail)
    await page.goto(simulator.url)
    await page.fill("#number", f"+{phone}")
    await page.fill("#owner", name)
    await page.press("#owner", "Enter")
    await expect(page.locator("#me-name")).to_have_text(name, timeout=30_000)
    return page


async def test_two_people_chat_by_keyboard_each_in_their_language(
    running_simulator: RunningSimulator, browser: Browser
) -> None:
    ana = await pick_up(browser, running_simulator, ANA, "pt-BR", "Ana")
    bia = await pick_up(browser, running_simulator, BIA, "en-US", "Bia")
    await expect(ana.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(ana.get_by_role("tab", name="Conversas")).to_be_visible()
    await expect(bia.get_by_role("tab", name="Chats")).to_be_visible()

    await ana.fill("#new-to", BIA)
    await ana.press("#new-to", "Enter")
    await ana.fill("#text", "Oi <b>Bia</b>!")
    await ana.press("#text", "Enter")
    await expect(ana.locator(".bubble.mine .text")).to_have_text("Oi <b>Bia</b>!")
    await bia.locator("#chats .row").click()
    await expect(bia.locator(".bubble .text")).to_have_text("Oi <b>Bia</b>!")
    await expect(ana.get_by_role("img", name="lida")).to_be_visible(timeout=30_000)

    await bia.fill("#text", "Hello Ana")
    await bia.press("#text", "Enter")
    await expect(ana.locator(".bubble:not(.mine) .text")).to_have_text("Hello Ana", timeout=30_000)
    await ana.press("#text", "Escape")
    await expect(ana.locator("#chats .row strong")).to_have_text("Bia")


async def test_a_pasted_code_links_a_device_which_can_be_unlinked_again(
    running_simulator: RunningSimulator, browser: Browser, tmp_path: Path
) -> None:
    simulator = running_simulator
    page = await pick_up(browser, simulator, ANA, "en-US", "Ana")
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    root, ca_file = bytes.fromhex(simulator.info["noiseRoot"]), Path(simulator.info["caFile"])
    settings = CompanionSettings(simulator.port, ca_file, root, tmp_path / "product")
    product = CompanionProcess(settings, lambda event: event["event"] == "qr" and shown.set_result(event["qr"]), int)
    await product.start()
    try:
        linking = asyncio.create_task(product.ask("ensure", phone=ANA))
        await page.get_by_role("tab", name="Linked devices").click()
        await page.fill("#qr", f'{{"qrCode": "{await shown}", "isConnected": false}}')
        await page.get_by_role("button", name="Scan").click()
        device = (await linking)["jid"]
        await expect(page.locator("#devices")).to_contain_text(device)
        await expect(page.locator("#devices li")).to_have_count(2)
        await page.get_by_role("button", name="Unlink all devices").click()
        await expect(page.locator("#no-devices")).to_be_visible()
        assert (await simulator.get("/devices"))["devices"] == []
    finally:
        await product.close()


async def test_the_weather_is_made_and_cleared(running_simulator: RunningSimulator, browser: Browser) -> None:
    page = await pick_up(browser, running_simulator, ANA, "pt-BR", "Ana")
    await page.select_option("#kind", "delay")
    await page.fill("#delay", "0.05")
    await page.fill("#target", ANA)
    await page.get_by_role("button", name="Deixar acontecer").click()
    await expect(page.locator("#faults")).to_contain_text("Atraso")
    (fault,) = (await running_simulator.get("/faults"))["faults"]
    assert (fault["kind"], fault["target"], fault["delaySeconds"]) == ("delay", ANA, 0.05)
    await page.get_by_role("button", name="Céu limpo").click()
    await expect(page.locator("#no-faults")).to_be_visible()


async def test_a_bad_code_is_said_to_be_one(running_simulator: RunningSimulator, browser: Browser) -> None:
    page = await pick_up(browser, running_simulator, ANA, "en-US", "Ana")
    await page.get_by_role("tab", name="Linked devices").click()
    await page.fill("#qr", "this is no code")
    await page.get_by_role("button", name="Scan").click()
    await expect(page.get_by_role("alert")).to_contain_text("no QR payload")
