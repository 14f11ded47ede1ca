import threading

from transferhub.module.socket import Socket, given


def test_each_thread_is_handed_what_its_own_encoder_computed():
    socket, both, found = Socket(), threading.Barrier(2), {}

    def predict(name):
        with given(name):
            both.wait()
            found[name] = socket()
            both.wait()

    threads = [threading.Thread(target=predict, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"one": "one", "other": "other"}
