<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
    <context>
        <name>AssistantsPage</name>
        <message numerus="yes">
            <source>%n assistant(s) (is|are) imported.</source>
            <translation>
                <numerusform>%n assistant is imported.</numerusform>
                <numerusform>%n assistants are imported.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>AttachedText</name>
        <message numerus="yes">
            <source>The first %n character(s) are shown; all can be copied.</source>
            <translation>
                <numerusform>The first %n character are shown; all can be copied.</numerusform>
                <numerusform>The first %n characters are shown; all can be copied.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Attaching</name>
        <message numerus="yes">
            <source>%n file(s) (is|are) attached.</source>
            <translation>
                <numerusform>%n file is attached.</numerusform>
                <numerusform>%n files are attached.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Attach the %n file(s) in {name}?</source>
            <translation>
                <numerusform>Attach the %n file in {name}?</numerusform>
                <numerusform>Attach the %n files in {name}?</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The message has %n token(s); there is room for {room}.</source>
            <translation>
                <numerusform>The message has %n token; there is room for {room}.</numerusform>
                <numerusform>The message has %n tokens; there is room for {room}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{name} has more than %n file(s). Choose the ones that you need.</source>
            <translation>
                <numerusform>{name} has more than %n file. Choose the ones that you need.</numerusform>
                <numerusform>{name} has more than %n files. Choose the ones that you need.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>BackupsCard</name>
        <message numerus="yes">
            <source>%n attachment(s) (was|were) not there any more, or damaged on the disk.</source>
            <translation>
                <numerusform>%n attachment was not there any more, or damaged on the disk.</numerusform>
                <numerusform>%n attachments were not there any more, or damaged on the disk.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) backed up as {name}, {size}.</source>
            <translation>
                <numerusform>%n chat backed up as {name}, {size}.</numerusform>
                <numerusform>%n chats backed up as {name}, {size}.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>CatalogueSection</name>
        <message numerus="yes">
            <source>%n model(s)</source>
            <translation>
                <numerusform>%n model</numerusform>
                <numerusform>%n models</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n model(s) (is|are) like that, but (does|do) not fit this computer.</source>
            <translation>
                <numerusform>%n model is like that, but does not fit this computer.</numerusform>
                <numerusform>%n models are like that, but do not fit this computer.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n new model(s).</source>
            <translation>
                <numerusform>%n new model.</numerusform>
                <numerusform>%n new models.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Show %n model(s)</source>
            <translation>
                <numerusform>Show %n model</numerusform>
                <numerusform>Show %n models</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{shown} of %n model(s)</source>
            <translation>
                <numerusform>{shown} of %n model</numerusform>
                <numerusform>{shown} of %n models</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ChatHeader</name>
        <message numerus="yes">
            <source>%n adapter(s)</source>
            <translation>
                <numerusform>%n adapter</numerusform>
                <numerusform>%n adapters</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ChatsImportDialog</name>
        <message numerus="yes">
            <source>%n chat(s) (was|were) there already.</source>
            <translation>
                <numerusform>%n chat was there already.</numerusform>
                <numerusform>%n chats were there already.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) came in as a copy, since the one here differs.</source>
            <translation>
                <numerusform>%n chat came in as a copy, since the one here differs.</numerusform>
                <numerusform>%n chats came in as a copy, since the one here differs.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) came in.</source>
            <translation>
                <numerusform>%n chat came in.</numerusform>
                <numerusform>%n chats came in.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) of {program}</source>
            <translation>
                <numerusform>%n chat of {program}</numerusform>
                <numerusform>%n chats of {program}</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n item(s) could not be read.</source>
            <translation>
                <numerusform>%n item could not be read.</numerusform>
                <numerusform>%n items could not be read.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n message(s).</source>
            <translation>
                <numerusform>%n message.</numerusform>
                <numerusform>%n messages.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ConversationTree</name>
        <message numerus="yes">
            <source>Show %n more</source>
            <translation>
                <numerusform>Show %n more</numerusform>
                <numerusform>Show %n more</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Details</name>
        <message numerus="yes">
            <source>%n more size(s)</source>
            <translation>
                <numerusform>%n more size</numerusform>
                <numerusform>%n more sizes</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>DownloadsWatch</name>
        <message numerus="yes">
            <source>%n download(s), {percent}</source>
            <translation>
                <numerusform>%n download, {percent}</numerusform>
                <numerusform>%n downloads, {percent}</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ExportDialog</name>
        <message numerus="yes">
            <source>%n attachment(s) (is|are) not there any more.</source>
            <translation>
                <numerusform>%n attachment is not there any more.</numerusform>
                <numerusform>%n attachments are not there any more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s)</source>
            <translation>
                <numerusform>%n chat</numerusform>
                <numerusform>%n chats</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>FolderRow</name>
        <message numerus="yes">
            <source>%n model(s), {size}, (moves|move) to {folder}. Nothing is lost if it is interrupted.</source>
            <translation>
                <numerusform>%n model, {size}, moves to {folder}. Nothing is lost if it is interrupted.</numerusform>
                <numerusform>%n models, {size}, move to {folder}. Nothing is lost if it is interrupted.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message numerus="yes">
            <source>Import %n model(s)</source>
            <translation>
                <numerusform>Import %n model</numerusform>
                <numerusform>Import %n models</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>LicencesDialog</name>
        <message numerus="yes">
            <source>%n part(s)</source>
            <translation>
                <numerusform>%n part</numerusform>
                <numerusform>%n parts</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{count} of %n part(s)</source>
            <translation>
                <numerusform>{count} of %n part</numerusform>
                <numerusform>{count} of %n parts</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ListCommands</name>
        <message numerus="yes">
            <source>%n chat(s) (has|have) other tags now.</source>
            <translation>
                <numerusform>%n chat has other tags now.</numerusform>
                <numerusform>%n chats have other tags now.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) deleted.</source>
            <translation>
                <numerusform>%n chat is deleted.</numerusform>
                <numerusform>%n chats are deleted.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) in no folder now.</source>
            <translation>
                <numerusform>%n chat is in no folder now.</numerusform>
                <numerusform>%n chats are in no folder now.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) in the archive.</source>
            <translation>
                <numerusform>%n chat is in the archive.</numerusform>
                <numerusform>%n chats are in the archive.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) in “{folder}” now.</source>
            <translation>
                <numerusform>%n chat is in “{folder}” now.</numerusform>
                <numerusform>%n chats are in “{folder}” now.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) no longer pinned.</source>
            <translation>
                <numerusform>%n chat is no longer pinned.</numerusform>
                <numerusform>%n chats are no longer pinned.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) out of the archive.</source>
            <translation>
                <numerusform>%n chat is out of the archive.</numerusform>
                <numerusform>%n chats are out of the archive.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (is|are) pinned.</source>
            <translation>
                <numerusform>%n chat is pinned.</numerusform>
                <numerusform>%n chats are pinned.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) (lies|lie) in it. They can stay, outside of it, or be deleted with it.</source>
            <translation>
                <numerusform>%n chat lies in it. They can stay, outside of it, or be deleted with it.</numerusform>
                <numerusform>%n chats lie in it. They can stay, outside of it, or be deleted with it.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n folder(s) (is|are) deleted.</source>
            <translation>
                <numerusform>%n folder is deleted.</numerusform>
                <numerusform>%n folders are deleted.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n item(s) (is|are) in no folder now.</source>
            <translation>
                <numerusform>%n item is in no folder now.</numerusform>
                <numerusform>%n items are in no folder now.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n item(s) (is|are) in “{folder}” now.</source>
            <translation>
                <numerusform>%n item is in “{folder}” now.</numerusform>
                <numerusform>%n items are in “{folder}” now.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Delete %n folder(s)?</source>
            <translation>
                <numerusform>Delete %n folder?</numerusform>
                <numerusform>Delete %n folders?</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ListDrag</name>
        <message numerus="yes">
            <source>%n chat(s)</source>
            <translation>
                <numerusform>%n chat</numerusform>
                <numerusform>%n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n thing(s)</source>
            <translation>
                <numerusform>%n thing</numerusform>
                <numerusform>%n things</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>MachineDialog</name>
        <message numerus="yes">
            <source>%n core(s)</source>
            <translation>
                <numerusform>%n core</numerusform>
                <numerusform>%n cores</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n of them usable here</source>
            <translation>
                <numerusform>%n of them usable here</numerusform>
                <numerusform>%n of them usable here</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>MemoryTable</name>
        <message numerus="yes">
            <source>%n layer(s) on the graphics card</source>
            <translation>
                <numerusform>%n layer on the graphics card</numerusform>
                <numerusform>%n layers on the graphics card</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>at most %n token(s) of context fit</source>
            <translation>
                <numerusform>at most %n token of context fit</numerusform>
                <numerusform>at most %n tokens of context fit</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>the experts of %n layer(s) on the processor</source>
            <translation>
                <numerusform>the experts of %n layer on the processor</numerusform>
                <numerusform>the experts of %n layers on the processor</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ModelTexts</name>
        <message numerus="yes">
            <source>%n core(s)</source>
            <translation>
                <numerusform>%n core</numerusform>
                <numerusform>%n cores</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Waits for (another download|%n downloads)</source>
            <translation>
                <numerusform>Waits for another download</numerusform>
                <numerusform>Waits for %n downloads</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ModelsPage</name>
        <message numerus="yes">
            <source>%n model(s) (is|are) in the list.</source>
            <translation>
                <numerusform>%n model is in the list.</numerusform>
                <numerusform>%n models are in the list.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>MoveDialog</name>
        <message numerus="yes">
            <source>Move %n chat(s)</source>
            <translation>
                <numerusform>Move %n chat</numerusform>
                <numerusform>Move %n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Move %n thing(s)</source>
            <translation>
                <numerusform>Move %n thing</numerusform>
                <numerusform>Move %n things</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Palette</name>
        <message numerus="yes">
            <source>%n action(s)</source>
            <translation>
                <numerusform>%n action</numerusform>
                <numerusform>%n actions</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s)</source>
            <translation>
                <numerusform>%n chat</numerusform>
                <numerusform>%n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n message(s)</source>
            <translation>
                <numerusform>%n message</numerusform>
                <numerusform>%n messages</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PartsDialog</name>
        <message numerus="yes">
            <source>{chosen} of %n part(s) chosen</source>
            <translation>
                <numerusform>{chosen} of %n part chosen</numerusform>
                <numerusform>{chosen} of %n parts chosen</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PromptCacheCard</name>
        <message numerus="yes">
            <source>%n chat(s)</source>
            <translation>
                <numerusform>%n chat</numerusform>
                <numerusform>%n chats</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PromptChip</name>
        <message numerus="yes">
            <source>%n attachment(s)</source>
            <translation>
                <numerusform>%n attachment</numerusform>
                <numerusform>%n attachments</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>QuantizeDialog</name>
        <message numerus="yes">
            <source>%n more type(s)</source>
            <translation>
                <numerusform>%n more type</numerusform>
                <numerusform>%n more types</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Quit</name>
        <message numerus="yes">
            <source>(An answer is|%n answers are) still running</source>
            <translation>
                <numerusform>An answer is still running</numerusform>
                <numerusform>%n answers are still running</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>SettingsSection</name>
        <message numerus="yes">
            <source>%n setting(s) (differs|differ) from (its default|their defaults).</source>
            <translation>
                <numerusform>%n setting differs from its default.</numerusform>
                <numerusform>%n settings differ from their defaults.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>SideList</name>
        <message numerus="yes">
            <source>Archive %n chat(s)</source>
            <translation>
                <numerusform>Archive %n chat</numerusform>
                <numerusform>Archive %n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Delete %n chat(s)</source>
            <translation>
                <numerusform>Delete %n chat</numerusform>
                <numerusform>Delete %n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Pin %n chat(s)</source>
            <translation>
                <numerusform>Pin %n chat</numerusform>
                <numerusform>Pin %n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Take %n chat(s) out of the archive</source>
            <translation>
                <numerusform>Take %n chat out of the archive</numerusform>
                <numerusform>Take %n chats out of the archive</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Unpin %n chat(s)</source>
            <translation>
                <numerusform>Unpin %n chat</numerusform>
                <numerusform>Unpin %n chats</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>SlowDialog</name>
        <message numerus="yes">
            <source>%n token(s), {cached} of them not read again</source>
            <translation>
                <numerusform>%n token, {cached} of them not read again</numerusform>
                <numerusform>%n tokens, {cached} of them not read again</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s), {cached} of them not read again ({restored} from the disk)</source>
            <translation>
                <numerusform>%n token, {cached} of them not read again ({restored} from the disk)</numerusform>
                <numerusform>%n tokens, {cached} of them not read again ({restored} from the disk)</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n guessed token(s) were right</source>
            <translation>
                <numerusform>{part} of %n guessed token were right</numerusform>
                <numerusform>{part} of %n guessed tokens were right</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s)</source>
            <translation>
                <numerusform>{part} of %n layer</numerusform>
                <numerusform>{part} of %n layers</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n processor(s)</source>
            <translation>
                <numerusform>{part} of %n processor</numerusform>
                <numerusform>{part} of %n processors</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n token(s)</source>
            <translation>
                <numerusform>{part} of %n token</numerusform>
                <numerusform>{part} of %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>StatusLine</name>
        <message numerus="yes">
            <source>%n layer(s) on the graphics card</source>
            <translation>
                <numerusform>%n layer on the graphics card</numerusform>
                <numerusform>%n layers on the graphics card</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Waiting for (another answer|%n other answers) to end</source>
            <translation>
                <numerusform>Waiting for another answer to end</numerusform>
                <numerusform>Waiting for %n other answers to end</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>the experts of %n layer(s) on the processor</source>
            <translation>
                <numerusform>the experts of %n layer on the processor</numerusform>
                <numerusform>the experts of %n layers on the processor</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{used} of %n token(s)</source>
            <translation>
                <numerusform>{used} of %n token</numerusform>
                <numerusform>{used} of %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>TagsDialog</name>
        <message numerus="yes">
            <source>Tags of %n chat(s)</source>
            <translation>
                <numerusform>Tags of %n chat</numerusform>
                <numerusform>Tags of %n chats</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>TemplatesDialog</name>
        <message numerus="yes">
            <source>%n template(s) exported.</source>
            <translation>
                <numerusform>%n template exported.</numerusform>
                <numerusform>%n templates exported.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n template(s) imported.</source>
            <translation>
                <numerusform>%n template imported.</numerusform>
                <numerusform>%n templates imported.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>TuningCard</name>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>After %n token(s), answers are {times} times as fast as with llama.cpp's own defaults.</source>
            <translation>
                <numerusform>After %n token, answers are {times} times as fast as with llama.cpp's own defaults.</numerusform>
                <numerusform>After %n tokens, answers are {times} times as fast as with llama.cpp's own defaults.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Flash attention for the first %n token(s)</source>
            <translation>
                <numerusform>Flash attention for the first %n token</numerusform>
                <numerusform>Flash attention for the first %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>advice</name>
        <message numerus="yes">
            <source>Better answers, but it thinks for a while first, at about %n token(s) per second.</source>
            <translation>
                <numerusform>Better answers, but it thinks for a while first, at about %n token per second.</numerusform>
                <numerusform>Better answers, but it thinks for a while first, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Better answers, but slower: about %n token(s) per second.</source>
            <translation>
                <numerusform>Better answers, but slower: about %n token per second.</numerusform>
                <numerusform>Better answers, but slower: about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best answers that still come faster than you read: about %n token(s) per second.</source>
            <translation>
                <numerusform>The best answers that still come faster than you read: about %n token per second.</numerusform>
                <numerusform>The best answers that still come faster than you read: about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at code that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at code that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at code that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at mathematics that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at mathematics that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at mathematics that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at pictures that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at pictures that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at pictures that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at thinking things through here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at thinking things through here, at about %n token per second.</numerusform>
                <numerusform>The best at thinking things through here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best in many languages that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best in many languages that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best in many languages that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>assistants</name>
        <message numerus="yes">
            <source>%n adapter(s)</source>
            <translation>
                <numerusform>%n adapter</numerusform>
                <numerusform>%n adapters</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>What was entered for {field} has more than %n character(s).</source>
            <translation>
                <numerusform>What was entered for {field} has more than %n character.</numerusform>
                <numerusform>What was entered for {field} has more than %n characters.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{name} has more than %n entries.</source>
            <translation>
                <numerusform>{name} has more than %n entries.</numerusform>
                <numerusform>{name} has more than %n entries.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{what} may have %n character(s) at most.</source>
            <translation>
                <numerusform>{what} may have %n character at most.</numerusform>
                <numerusform>{what} may have %n characters at most.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>bench</name>
        <message numerus="yes">
            <source>A depth of %n token(s) does not fit into the context, which holds {context}.</source>
            <translation>
                <numerusform>A depth of %n token does not fit into the context, which holds {context}.</numerusform>
                <numerusform>A depth of %n tokens does not fit into the context, which holds {context}.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>chat</name>
        <message numerus="yes">
            <source>The message is longer than %n character(s).</source>
            <translation>
                <numerusform>The message is longer than %n character.</numerusform>
                <numerusform>The message is longer than %n characters.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>chat_list</name>
        <message numerus="yes">
            <source>{name}, folder, %n chat(s), closed</source>
            <translation>
                <numerusform>{name}, folder, %n chat, closed</numerusform>
                <numerusform>{name}, folder, %n chats, closed</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{name}, folder, %n chat(s), open</source>
            <translation>
                <numerusform>{name}, folder, %n chat, open</numerusform>
                <numerusform>{name}, folder, %n chats, open</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>chips</name>
        <message numerus="yes">
            <source>%n character(s)</source>
            <translation>
                <numerusform>%n character</numerusform>
                <numerusform>%n characters</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n page(s)</source>
            <translation>
                <numerusform>%n page</numerusform>
                <numerusform>%n pages</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>documents</name>
        <message numerus="yes">
            <source>%n attachment(s) of the message (was|were) not read.</source>
            <translation>
                <numerusform>%n attachment of the message was not read.</numerusform>
                <numerusform>%n attachments of the message were not read.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chapter(s) (is|are) missing from the file.</source>
            <translation>
                <numerusform>%n chapter is missing from the file.</numerusform>
                <numerusform>%n chapters are missing from the file.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n formula(s) (has|have) no saved value and (is|are) shown empty: open and save the file in a spreadsheet program to have (it|them) computed.</source>
            <translation>
                <numerusform>%n formula has no saved value and is shown empty: open and save the file in a spreadsheet program to have it computed.</numerusform>
                <numerusform>%n formulas have no saved value and are shown empty: open and save the file in a spreadsheet program to have them computed.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n hidden slide(s) (was|were) read, too.</source>
            <translation>
                <numerusform>%n hidden slide was read, too.</numerusform>
                <numerusform>%n hidden slides were read, too.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n page(s) (has|have) no text (pictures or scans): {pages}.</source>
            <translation>
                <numerusform>%n page has no text (pictures or scans): {pages}.</numerusform>
                <numerusform>%n pages have no text (pictures or scans): {pages}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>A table of %n row(s); columns: {columns}.</source>
            <translation>
                <numerusform>A table of %n row; columns: {columns}.</numerusform>
                <numerusform>A table of %n rows; columns: {columns}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Only the first %n cell(s) were read.</source>
            <translation>
                <numerusform>Only the first %n cell were read.</numerusform>
                <numerusform>Only the first %n cells were read.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Only the first %n character(s) were read.</source>
            <translation>
                <numerusform>Only the first %n character were read.</numerusform>
                <numerusform>Only the first %n characters were read.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Only the first {read} of its %n page(s) were read.</source>
            <translation>
                <numerusform>Only the first {read} of its %n page were read.</numerusform>
                <numerusform>Only the first {read} of its %n pages were read.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Reading took longer than %n second(s): the rest was left out.</source>
            <translation>
                <numerusform>Reading took longer than %n second: the rest was left out.</numerusform>
                <numerusform>Reading took longer than %n seconds: the rest was left out.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{name} could not be read within %n second(s).</source>
            <translation>
                <numerusform>{name} could not be read within %n second.</numerusform>
                <numerusform>{name} could not be read within %n seconds.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>embed</name>
        <message numerus="yes">
            <source>Text {number} has %n token(s), and the free memory has room for {most} that are read at once.</source>
            <translation>
                <numerusform>Text {number} has %n token, and the free memory has room for {most} that are read at once.</numerusform>
                <numerusform>Text {number} has %n tokens, and the free memory has room for {most} that are read at once.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Text {number} has %n token(s), and this model reads {most} at most.</source>
            <translation>
                <numerusform>Text {number} has %n token, and this model reads {most} at most.</numerusform>
                <numerusform>Text {number} has %n tokens, and this model reads {most} at most.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>engine</name>
        <message numerus="yes">
            <source>%n of {all} layers (is|are) on the graphics card: its memory holds no more. The processor does the rest.</source>
            <translation>
                <numerusform>%n of {all} layers is on the graphics card: its memory holds no more. The processor does the rest.</numerusform>
                <numerusform>%n of {all} layers are on the graphics card: its memory holds no more. The processor does the rest.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n of {all} layers (is|are) on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</source>
            <translation>
                <numerusform>%n of {all} layers is on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</numerusform>
                <numerusform>%n of {all} layers are on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The answer cannot go on: it has %n token(s) with its question; the context holds {context}.</source>
            <translation>
                <numerusform>The answer cannot go on: it has %n token with its question; the context holds {context}.</numerusform>
                <numerusform>The answer cannot go on: it has %n tokens with its question; the context holds {context}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is %n token(s) instead of {asked}: there is not enough free memory for more.</source>
            <translation>
                <numerusform>The context is %n token instead of {asked}: there is not enough free memory for more.</numerusform>
                <numerusform>The context is %n tokens instead of {asked}: there is not enough free memory for more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is %n token(s) instead of {asked}: this model was not trained for more.</source>
            <translation>
                <numerusform>The context is %n token instead of {asked}: this model was not trained for more.</numerusform>
                <numerusform>The context is %n tokens instead of {asked}: this model was not trained for more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context of %n token(s) is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</source>
            <translation>
                <numerusform>The context of %n token is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</numerusform>
                <numerusform>The context of %n tokens is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The experts of %n layer(s) stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</source>
            <translation>
                <numerusform>The experts of %n layer stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</numerusform>
                <numerusform>The experts of %n layers stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Your message has %n token(s); the context holds {context}.</source>
            <translation>
                <numerusform>Your message has %n token; the context holds {context}.</numerusform>
                <numerusform>Your message has %n tokens; the context holds {context}.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>fit</name>
        <message numerus="yes">
            <source>It fits with %n token(s) of context: it uses {needs} of memory; {free} are free now.</source>
            <translation>
                <numerusform>It fits with %n token of context: it uses {needs} of memory; {free} are free now.</numerusform>
                <numerusform>It fits with %n tokens of context: it uses {needs} of memory; {free} are free now.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>gguf</name>
        <message numerus="yes">
            <source>At most %n adapter(s) can be used at once.</source>
            <translation>
                <numerusform>At most %n adapter can be used at once.</numerusform>
                <numerusform>At most %n adapters can be used at once.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{file} ends after {size} of %n byte(s): the download is not complete.</source>
            <translation>
                <numerusform>{file} ends after {size} of %n byte: the download is not complete.</numerusform>
                <numerusform>{file} ends after {size} of %n bytes: the download is not complete.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{file} is one of %n part(s), but its name no longer says which.</source>
            <translation>
                <numerusform>{file} is one of %n part, but its name no longer says which.</numerusform>
                <numerusform>{file} is one of %n parts, but its name no longer says which.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>library</name>
        <message numerus="yes">
            <source>{name} is the name of %n model(s) here.</source>
            <translation>
                <numerusform>{name} is the name of %n model here.</numerusform>
                <numerusform>{name} is the name of %n models here.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>process</name>
        <message numerus="yes">
            <source>There was no answer within %n second(s).</source>
            <translation>
                <numerusform>There was no answer within %n second.</numerusform>
                <numerusform>There was no answer within %n seconds.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>quantize</name>
        <message numerus="yes">
            <source>%n part(s) of this model cannot have this type: another one is used there, which takes more room.</source>
            <translation>
                <numerusform>%n part of this model cannot have this type: another one is used there, which takes more room.</numerusform>
                <numerusform>%n parts of this model cannot have this type: another one is used there, which takes more room.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The same next word at {same} of 100 places; KL divergence {mean} on average, {high} at the 99th percentile (%n place(s)).</source>
            <translation>
                <numerusform>The same next word at {same} of 100 places; KL divergence {mean} on average, {high} at the 99th percentile (%n place).</numerusform>
                <numerusform>The same next word at {same} of 100 places; KL divergence {mean} on average, {high} at the 99th percentile (%n places).</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The text is too short to measure quality with: it has %n token(s).</source>
            <translation>
                <numerusform>The text is too short to measure quality with: it has %n token.</numerusform>
                <numerusform>The text is too short to measure quality with: it has %n tokens.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>settings</name>
        <message numerus="yes">
            <source>%n minute(s)</source>
            <translation>
                <numerusform>%n minute</numerusform>
                <numerusform>%n minutes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{key} is too long; it may have %n character(s).</source>
            <translation>
                <numerusform>{key} is too long; it may have %n character.</numerusform>
                <numerusform>{key} is too long; it may have %n characters.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>slow</name>
        <message numerus="yes">
            <source>%n thread(s) (was|were) set by hand; {usual} are usual on this computer.</source>
            <translation>
                <numerusform>%n thread was set by hand; {usual} are usual on this computer.</numerusform>
                <numerusform>%n threads were set by hand; {usual} are usual on this computer.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>A container or a service lets this program use {part} of %n core(s).</source>
            <translation>
                <numerusform>A container or a service lets this program use {part} of %n core.</numerusform>
                <numerusform>A container or a service lets this program use {part} of %n cores.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>A context of %n token(s) leaves more room.</source>
            <translation>
                <numerusform>A context of %n token leaves more room.</numerusform>
                <numerusform>A context of %n tokens leaves more room.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Most of the time went into reading: %n token(s) in {seconds} s.</source>
            <translation>
                <numerusform>Most of the time went into reading: %n token in {seconds} s.</numerusform>
                <numerusform>Most of the time went into reading: %n tokens in {seconds} s.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Other programs keep {part} of %n processor(s) busy.</source>
            <translation>
                <numerusform>Other programs keep {part} of %n processor busy.</numerusform>
                <numerusform>Other programs keep {part} of %n processors busy.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Other virtual machines on the same host take {part} of %n processor(s) away.</source>
            <translation>
                <numerusform>Other virtual machines on the same host take {part} of %n processor away.</numerusform>
                <numerusform>Other virtual machines on the same host take {part} of %n processors away.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The chat is long: each word looks back at %n token(s).</source>
            <translation>
                <numerusform>The chat is long: each word looks back at %n token.</numerusform>
                <numerusform>The chat is long: each word looks back at %n tokens.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is nearly full, {part} of %n token(s): the chat is cut and read again from there.</source>
            <translation>
                <numerusform>The context is nearly full, {part} of %n token: the chat is cut and read again from there.</numerusform>
                <numerusform>The context is nearly full, {part} of %n tokens: the chat is cut and read again from there.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The disk of the model is slow: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The disk of the model is slow: {size} took %n second to load.</numerusform>
                <numerusform>The disk of the model is slow: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The graphics cards compute {part} of %n layer(s), the processor the others.</source>
            <translation>
                <numerusform>The graphics cards compute {part} of %n layer, the processor the others.</numerusform>
                <numerusform>The graphics cards compute {part} of %n layers, the processor the others.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model lies on a hard disk: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The model lies on a hard disk: {size} took %n second to load.</numerusform>
                <numerusform>The model lies on a hard disk: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model lies on a network drive: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The model lies on a network drive: {size} took %n second to load.</numerusform>
                <numerusform>The model lies on a network drive: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model thought for {seconds} s, %n token(s), before it answered.</source>
            <translation>
                <numerusform>The model thought for {seconds} s, %n token, before it answered.</numerusform>
                <numerusform>The model thought for {seconds} s, %n tokens, before it answered.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The whole chat was read again, %n token(s) in {seconds} s, since it was not in memory any more.</source>
            <translation>
                <numerusform>The whole chat was read again, %n token in {seconds} s, since it was not in memory any more.</numerusform>
                <numerusform>The whole chat was read again, %n tokens in {seconds} s, since it was not in memory any more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{card} computes {part} of %n layer(s), the processor the others.</source>
            <translation>
                <numerusform>{card} computes {part} of %n layer, the processor the others.</numerusform>
                <numerusform>{card} computes {part} of %n layers, the processor the others.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}, since that was set by hand.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}, since that was set by hand.</numerusform>
                <numerusform>{part} of %n layers are on {card}, since that was set by hand.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}: not all of its {size} fit there.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}: not all of its {size} fit there.</numerusform>
                <numerusform>{part} of %n layers are on {card}: not all of its {size} fit there.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}: the model has {size}, and {free} are free there.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}: the model has {size}, and {free} are free there.</numerusform>
                <numerusform>{part} of %n layers are on {card}: the model has {size}, and {free} are free there.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>transcript</name>
        <message numerus="yes">
            <source>%n line(s)</source>
            <translation>
                <numerusform>%n line</numerusform>
                <numerusform>%n lines</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n row(s)</source>
            <translation>
                <numerusform>%n row</numerusform>
                <numerusform>%n rows</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model repeated itself and was stopped after %n token(s).</source>
            <translation>
                <numerusform>The model repeated itself and was stopped after %n token.</numerusform>
                <numerusform>The model repeated itself and was stopped after %n tokens.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>units</name>
        <message numerus="yes">
            <source>%n byte(s)</source>
            <translation>
                <numerusform>%n byte</numerusform>
                <numerusform>%n bytes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n day(s) ago</source>
            <translation>
                <numerusform>%n day ago</numerusform>
                <numerusform>%n days ago</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n month(s) ago</source>
            <translation>
                <numerusform>%n month ago</numerusform>
                <numerusform>%n months ago</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
    </context>
</TS>
